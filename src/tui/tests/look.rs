use super::fixture;
use crate::tui::{Options, show};

#[test]
#[ignore = "for looking at it"]
fn look() {
    let f = match std::env::var("LOOK").as_deref() {
        Ok("empty") => fixture::empty(),
        Ok("running") => fixture::running(),
        Ok("failed") => fixture::failed(),
        Ok("replay") => fixture::replay(),
        _ => fixture::full(),
    };
    show(Box::new(f), &Options::default()).unwrap();
}
