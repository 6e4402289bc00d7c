"""The claims file, read and checked: what an article says, sentence by sentence, and what each sentence rests on.

Here: what an entry may say and what each key means. What the entries *are* stands in claims.yaml; the numbers stand in
the SQL models named claim_*, and what follows from a number in marts.claim_parts. No verdict is written here or there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from assets.config.yaml_files import Entry, read_entries

CLAIMS_FILE = Path(__file__).with_name("claims.yaml")


class ClaimsError(Exception):
    """The claims file does not fit. The message names the entry and what is wrong with it."""


class Article(Entry):
    """Where the claims were read."""

    name: str
    # The session at whose close they are scored, beside the run's clock: the last one before the article.
    scored_on: date


class Claim(Entry):
    """One sentence of the article, and what it rests on."""

    id: int = Field(gt=0)
    claim: str = Field(min_length=1)
    # What is computed, in words.
    test: str = Field(min_length=1)
    # Where a reader finds the numbers: tables of the published file and the model.
    sql_ref: str = Field(min_length=1)
    # What the claim says, part by part, and the kind of evidence that each part needs:
    #   fact       something that was so or was not, on a day or in history; never a share of cases, which needs a p
    #   universal  always or each time: counterexamples contradict it, but few examples do not support it
    #   tendency   more often or more than by chance: needs enough cases and a small p
    parts: Mapping[str, Literal["fact", "universal", "tendency"]] = {}
    # What free data cannot test, with the reason.
    untestable: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _says_something(self) -> Claim:
        if not self.parts and not self.untestable:
            raise ValueError("a claim has at least one part")
        return self


class ClaimsBook(Entry):
    """All claims of one article."""

    article: Article
    claims: tuple[Claim, ...]

    @model_validator(mode="after")
    def _ids_differ(self) -> ClaimsBook:
        ids = [claim.id for claim in self.claims]
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if twice:
            raise ValueError(f"claim {', '.join(map(str, twice))} is there twice")
        return self


def load_claims(path: Path = CLAIMS_FILE) -> ClaimsBook:
    """Read the claims file.

    Raises ClaimsError, naming each entry that does not fit and why.
    """
    return read_entries(path, ClaimsBook, ClaimsError)
