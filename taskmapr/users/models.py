"""Accounts, their data keys, sign-ins, API keys and identities of other providers."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower


class Tier(models.TextChoices):
    FREE = "free", "Free"
    PRO = "pro", "Pro"
    POWER = "power", "Power"
    TEAM = "team", "Team"


class UserManager(BaseUserManager["User"]):
    """Makes bare rows. Sign-up is `services.accounts.user_register`, which also makes the key."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        """A user with a hashed password; without one, password sign-in is impossible."""
        if not email:
            raise ValueError("A user needs an email address.")
        user = self.model(email=email_normal(email), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        """An operator: may open the admin and do everything there."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=email_normal(username or ""))


def email_normal(email: str) -> str:
    """The one spelling under which an address is stored and found."""
    return email.strip().lower()


class User(AbstractBaseUser, PermissionsMixin):
    """A person, or a program, that owns things. Signs in with the email address."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    tier = models.CharField(max_length=16, choices=Tier.choices, default=Tier.FREE)
    stripe_customer_id = models.CharField(max_length=64, blank=True, default="")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("may open the admin", default=False)
    #: Set when the account is to be erased: the data key is gone by then, the rows follow in a job.
    erasure_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("-created_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="users_user_email_is_lower"
            ),
            models.CheckConstraint(
                condition=models.Q(tier__in=Tier.values), name="users_user_tier_is_known"
            ),
        )

    def __str__(self) -> str:
        return self.email


class DataKey(models.Model):
    """The key that seals one user's content, stored only wrapped by the server's master key.

    `wrapped` writes; `retired` (newest first) still reads while content is being sealed anew.
    A destroyed key keeps its row, so that no new key quietly takes its place.
    """

    user = models.OneToOneField(
        "users.User", on_delete=models.CASCADE, primary_key=True, related_name="data_key"
    )
    wrapped = models.TextField()
    retired = models.JSONField(default=list, blank=True)
    #: Fingerprint of the master key that wraps both; tells a rotation what is left to do.
    master = models.CharField(max_length=16, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)
    rotated_at = models.DateTimeField(null=True, blank=True)
    destroyed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "user_id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(destroyed_at=None) | models.Q(wrapped="", retired=[]),
                name="users_datakey_destroyed_is_empty",
            ),
        )

    def __str__(self) -> str:
        return f"data key of {self.user_id}"


class RefreshToken(models.Model):
    """One refresh token of a sign-in. A family is one sign-in; each refresh adds a member."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="refresh_tokens")
    family = models.UUIDField(db_index=True)
    #: SHA-256 of the token as hex. The token has 256 random bits, so the hash needs no salt.
    token_hash = models.CharField(max_length=64, unique=True)
    #: Keyed hash of the user's password hash at that time: a password changed by any way, also by
    #: a command or a form that knows nothing of tokens, ends the sign-in.
    password_mark = models.CharField(max_length=64, default="", editable=False)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "id")

    def __str__(self) -> str:
        return f"refresh token {self.id}"


class ApiKey(models.Model):
    """A key with which a program acts for a user, limited to scopes. The key itself is not kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, help_text="Which program has it, and where")
    #: How the key begins, to recognise it by. Tells nothing of the rest.
    beginning = models.CharField(max_length=12, editable=False)
    #: SHA-256 of the key as hex. The key has 256 random bits, so the hash needs no salt.
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    #: Of `users.scopes.Scope`; at least one.
    scopes = ArrayField(models.CharField(max_length=32))
    #: Names of intents and of types of tasks; a trailing `*` matches any end.
    intents = ArrayField(
        models.CharField(max_length=200),
        verbose_name="intents",
        default=list,
        db_default=[],
        blank=True,
        help_text="Comma list such as gmail.*; empty: all that its scopes permit",
    )
    task_types = ArrayField(
        models.CharField(max_length=200),
        verbose_name="types of tasks",
        default=list,
        db_default=[],
        blank=True,
        help_text="Comma list such as approve_batches, report_*; empty: all",
    )
    networks = ArrayField(
        models.CharField(max_length=50),
        verbose_name="addresses",
        default=list,
        db_default=[],
        blank=True,
        help_text="From where it may be used: a comma list such as 10.0.0.0/8; empty: anywhere",
    )
    rate_per_minute = models.PositiveIntegerField(
        "requests per minute", null=True, blank=True, help_text="Empty: the server's own limit"
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: The operator who made it; None once that account is gone.
    created_by = models.ForeignKey(
        "users.User", on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at", "id")
        verbose_name = "API key"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(rate_per_minute=None) | models.Q(rate_per_minute__gte=1),
                name="users_apikey_rate_is_positive",
            ),
            models.CheckConstraint(
                condition=~models.Q(scopes=[]), name="users_apikey_is_good_for_something"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.beginning}…)"


class ExternalIdentity(models.Model):
    """Who a user is at another identity provider. An email match alone never joins accounts."""

    user = models.ForeignKey(
        "users.User", on_delete=models.CASCADE, related_name="external_identities"
    )
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("issuer", "subject")
        verbose_name_plural = "external identities"
        constraints = (
            models.UniqueConstraint(
                fields=("issuer", "subject"), name="users_externalidentity_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"
