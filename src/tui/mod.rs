//! The workbench: loop, terminal guard, command table, theme, panes, overlays, widgets. Reads
//! [`crate::case::CaseState`] and never changes it.
