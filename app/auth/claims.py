"""The claims of a sign-in: the subject, a unique name, and the roles."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from streamlit.auth_util import get_secrets_auth_section

from app.auth.names import clean_name
from core.access import Role

CLAIM_VARIABLE = "LAPEL_ROLES_CLAIM"
ADMINS_VARIABLE = "LAPEL_ADMINS"
MOST_CHARACTERS = 200
MOST_SUBJECT = 400

Claims = Mapping[str, Any]


def sign_in_configured() -> bool:
    """Whether people have to sign in: Streamlit's secrets have a table [auth]."""
    return bool(get_secrets_auth_section())


def subject_of(claims: Claims) -> str | None:
    """The person as issuer and subject, which no other person ever has; None where the sign-in names none."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        return None
    whole = f"{claims.get('iss', '')} {subject}"
    return whole if len(whole) <= MOST_SUBJECT else hashlib.sha256(whole.encode()).hexdigest()


def name_of(claims: Claims) -> str:
    """The name that stands at what a person does: the e-mail if the provider has verified it.

    Any other name is the person's own choice, so a digest of the subject goes with it: nobody can take
    another's.
    """
    email = claims.get("email")
    if isinstance(email, str) and "@" in email and claims.get("email_verified") in (True, "true"):
        email = clean_name(email, MOST_CHARACTERS + 1).lower()
        if len(email) <= MOST_CHARACTERS:
            return email
    chosen = next((claims[key] for key in ("preferred_username", "name") if claims.get(key)), "somebody")
    digest = hashlib.sha256((subject_of(claims) or "").encode()).hexdigest()[:8]
    return f"{clean_name(str(chosen))} ({digest})"


def roles_in(claims: Claims, name: str) -> list[str]:
    """The roles that the sign-in names, and admin for those in ``LAPEL_ADMINS``, by their names here.

    The claim is ``roles``, or what ``LAPEL_ROLES_CLAIM`` says, with dots for a claim within a claim; a text
    with commas or spaces, or a list. Names that are no role of ours are left out.
    """
    found: Any = _claim(claims, os.environ.get(CLAIM_VARIABLE) or "roles")
    if isinstance(found, str):
        found = found.replace(",", " ").split()
    named = {role.lower() for role in found if isinstance(role, str)} if isinstance(found, list) else set()
    if name.lower() in _admins():
        named.add(Role.ADMIN.value)
    return [role.value for role in Role if role.value in named]


def _claim(claims: Claims, path: str) -> Any:
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _admins() -> set[str]:
    """The first admins, by the names that they have here."""
    return {name.strip().lower() for name in os.environ.get(ADMINS_VARIABLE, "").split(",") if name.strip()}
