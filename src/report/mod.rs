//! What leaves the workbench: one neutral report model computed from [`crate::case::CaseState`], one file per format.
