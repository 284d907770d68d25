from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now


def pending_words() -> list[str]:
    return ["Pending"]


def approved_words() -> list[str]:
    return ["Approved"]


def _selector(default: str, *, blank: bool = False) -> models.CharField[str, str]:
    return models.CharField(max_length=300, default=default, blank=blank)


class Site(models.Model):
    """A web site whose batches are approved in a browser: where it is, how its pages are read.
    Saved through `site_save`.

    Paths are below `base_url`, selectors are CSS. What a new site begins with fits the demo site.
    `{batch_id}` in `list_path` and `batch_link` stands for the batch.
    """

    name = models.SlugField(max_length=40, unique=True)
    is_enabled = models.BooleanField("enabled", default=True)
    base_url = models.URLField(
        "address", max_length=500, blank=True, help_text="Empty for esc: as ESC_BASE_URL says"
    )
    #: Beside the host of the address: `host`, `host:port` or `*.domain`.
    allowed_hosts = models.JSONField(default=list, blank=True)
    #: Names of secrets; never the values.
    username_secret = models.CharField(max_length=80, blank=True, default="")
    password_secret = models.CharField(max_length=80, blank=True, default="")

    login_path = models.CharField(max_length=300, blank=True, default="")
    username_field = _selector("#username")
    password_field = _selector("#password")
    login_button = _selector("#sign-in")
    logged_in = _selector("#logout")
    login_error = _selector("#login-refused", blank=True)

    list_path = models.CharField(max_length=300, blank=True, default="batches")
    search_field = _selector("#search", blank=True)
    search_button = _selector("#search-go", blank=True)
    batch_link = _selector('tr[data-batch="{batch_id}"] a')
    nothing_found = _selector("#no-batches", blank=True)

    state_field = _selector("#batch-state")
    approve_button = _selector("#approve")
    confirm_button = _selector("#confirm-approve [data-kind=danger]", blank=True)
    pending_words = models.JSONField(default=pending_words)
    approved_words = models.JSONField(default=approved_words)

    #: Whether a person has to say yes to each task that wants to approve here.
    require_confirmation = models.BooleanField(default=False)

    wait_s = models.FloatField(
        default=15.0, validators=[MinValueValidator(0.5), MaxValueValidator(120.0)]
    )
    page_load_s = models.FloatField(
        default=30.0, validators=[MinValueValidator(1.0), MaxValueValidator(300.0)]
    )
    #: How many may be signed in with one account at once.
    browsers = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(20)]
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_sites"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
