// The API document in Swagger UI or Redoc, whichever the page has brought along.
"use strict";

const swagger = document.getElementById("swagger-ui");
if (swagger) {
  window.SwaggerUIBundle({
    url: swagger.dataset.document,
    domNode: swagger,
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
  });
}

// Redoc has no option against its maker's logo, which it fetches from elsewhere. On this page that
// picture is never asked for.
const LOGO = "https://cdn.redoc.ly/";

function logoLeaveOut() {
  const image = HTMLImageElement.prototype;
  const { setAttribute } = Element.prototype;
  const src = Object.getOwnPropertyDescriptor(image, "src");
  const isLogo = (address) => String(address).startsWith(LOGO);
  // React sets both.
  image.setAttribute = function (name, value) {
    if (name === "src" && isLogo(value)) this.hidden = true;
    else setAttribute.call(this, name, value);
  };
  Object.defineProperty(image, "src", {
    ...src,
    set(value) {
      if (!isLogo(value)) src.set.call(this, value);
    },
  });
}

const redoc = document.getElementById("redoc");
if (redoc) {
  logoLeaveOut();
  window.Redoc.init(
    redoc.dataset.document,
    {
      disableSearch: false,
      hideDownloadButton: false,
      theme: {
        typography: {
          fontFamily: "system-ui, sans-serif",
          headings: { fontFamily: "system-ui, sans-serif" },
        },
      },
    },
    redoc,
  );
}
