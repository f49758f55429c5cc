//! The conductor: takes evidence in, plans procedures for a case, runs them as jobs, records what comes back.
