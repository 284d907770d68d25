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

const redoc = document.getElementById("redoc");
if (redoc) {
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
