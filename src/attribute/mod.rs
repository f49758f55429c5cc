//! Phase 5: which techniques, and whose tools does it resemble? Hypotheses, never a named actor.
