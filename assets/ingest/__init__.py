"""From a source into the raw tables: plan, fetch, check, store; and the reference tables that this rests on."""
