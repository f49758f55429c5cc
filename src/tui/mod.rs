//! The workbench: loop, terminal guard, command table, theme, panes, overlays, widgets. Reads
//! [`crate::case::CaseState`] and never changes it.

pub mod sweep;
pub mod text;
pub mod theme;
pub mod widget;
