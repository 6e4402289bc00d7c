"""Read and check the claims file: what an article says, sentence by sentence, and the evidence each sentence needs.

Here: the keys of an entry and what they mean. The entries are in claims.yaml. The numbers come from SQL, and
marts.claim_parts turns them into verdicts; no verdict is written by hand.

To add a claim:

1. Add an entry to claims.yaml, with the next free id. In `test`, write a number of a definition as `$name`, a
   parameter of parameters.yaml; readers see it with its unit, such as 60 % or 90 days.
2. Add sql/intermediate/claims/claim_NN_<short_name>.sql, NN being the id with two digits. It has a row per part and
   moment (article, or clock for the run's clock) and these columns:
     claim_id, part, moment  always
     measured, expected      in words, with agrees, and n, p_value and p_limit if there is a test
     n, agreeing             instead, if cases are counted, with baseline or chance: the words, p and agrees follow
                             from them
   A part of the kind fact only needs the row of the moment article.

intermediate.claim_evidence finds the file by its name and has a comment for each column. Leave out the columns that
the claim does not need. What two claims compute alike is a model of its own in the same folder, such as
quarter_contrasts and stage_order_tests.
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
    """The claims file is invalid. The message names the entry and the problem."""


class Article(Entry):
    """Where the claims were read."""

    name: str
    # The last session before the article. Claims are scored at its close, and at the run's clock.
    scored_on: date


class Claim(Entry):
    """One sentence of the article, and the evidence that it needs."""

    id: int = Field(gt=0)
    claim: str = Field(min_length=1)
    # What is computed, in words. `$name` stands for a parameter.
    test: str = Field(min_length=1)
    # Where the numbers are: tables to query, and the SQL file of the claim.
    sql_ref: str = Field(min_length=1)
    # The parts of the claim, and the kind of evidence that each part needs:
    #   fact       true or false, of a day or of history; never a share of cases, which needs a p
    #   universal  always, or each time: counterexamples contradict it, but few examples do not support it
    #   tendency   more often, or more, than by chance: needs enough cases and a small p
    parts: Mapping[str, Literal["fact", "universal", "tendency"]] = {}
    # The parts that free data cannot test, with the reason.
    untestable: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _has_a_part(self) -> Claim:
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
        duplicates = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if duplicates:
            raise ValueError(f"duplicate claim ids: {', '.join(map(str, duplicates))}")
        return self


def load_claims(path: Path = CLAIMS_FILE) -> ClaimsBook:
    """Read the claims file. Raises ClaimsError, which names each invalid entry and the reason."""
    return read_entries(path, ClaimsBook, ClaimsError)
