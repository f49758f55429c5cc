//! Random keys, clicks, pastes and sizes: ten thousand in every run, a million where asked for.

use super::fixture::{self, HOSTILE};
use super::screen;
use crate::jobs::clock;
use crate::math::rng::seeded;
use crate::tui::app::{App, Next};
use crate::tui::command::COMMANDS;
use crate::tui::theme::{Depth, Look, Symbols, Theme};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use rand::Rng;
use std::time::Duration;

#[test]
fn nothing_a_monkey_does_breaks_it() {
    monkey(12, 900);
}

#[test]
#[ignore = "minutes: cargo test --lib a_million_keys -- --ignored --nocapture"]
fn a_million_keys_break_nothing_and_none_takes_a_second() {
    let slowest = monkey(1000, 1000);
    println!(
        "1,000,000 events, no panic; the slowest took {:.1} ms with its picture",
        slowest.as_secs_f64() * 1e3
    );
    assert!(slowest < Duration::from_secs(1));
}

/// Lets a monkey at `rounds` workbenches for so many events each; the longest time an event and its picture took.
fn monkey(rounds: usize, events: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut rng = seeded(0, "tui", "monkey");
    let makes = [fixture::empty, fixture::running, fixture::failed, fixture::full, fixture::replay, || {
        fixture::hostile(fixture::full())
    }];
    let mut left = 0;
    for (i, make) in makes.iter().cycle().take(rounds).enumerate() {
        let theme = Theme::of([Depth::Mono, Depth::Indexed, Depth::True][i % 3])
            .look(Look::ALL[i % Look::ALL.len()].0)
            .symbols(Symbols::ALL[i / 3 % 3].0);
        let new = || App::new(Box::new(make()), theme, None).pixels(i % 4 == 2);
        let mut app = new();
        let (mut w, mut h) = (80, 24);
        for _ in 0..events {
            let event = match rng.gen_range(0..20) {
                0 => {
                    (w, h) = if rng.gen_bool(0.3) {
                        (rng.gen_range(1..20), rng.gen_range(1..20))
                    } else {
                        (rng.gen_range(40..160), rng.gen_range(12..50))
                    };
                    Event::Resize(w, h)
                }
                1 => {
                    let kinds = [
                        MouseEventKind::ScrollDown,
                        MouseEventKind::Down(MouseButton::Left),
                        MouseEventKind::Moved,
                    ];
                    let kind = kinds[rng.gen_range(0..kinds.len())];
                    Event::Mouse(MouseEvent {
                        kind,
                        column: rng.gen_range(0..200),
                        row: rng.gen_range(0..60),
                        modifiers: KeyModifiers::NONE,
                    })
                }
                2 => Event::Paste(HOSTILE.into()),
                3 => Event::Key(KeyEvent::new(KeyCode::Char(rng.r#gen()), KeyModifiers::NONE)),
                _ => {
                    let command = &COMMANDS[rng.gen_range(0..COMMANDS.len())];
                    let key = command.keys[rng.gen_range(0..command.keys.len())];
                    Event::Key(KeyEvent::new(key.0, key.1))
                }
            };
            let start = clock();
            match app.handle(&event) {
                Next::Leave => {
                    left += 1;
                    app = new();
                }
                Next::Stay | Next::Suspend | Next::Redraw | Next::Copy(_) => {}
            }
            app.poll();
            let buffer = screen(&mut app, w, h);
            slowest = slowest.max(start.elapsed());
            assert_eq!(buffer.area.area(), u32::from(w) * u32::from(h));
        }
    }
    assert!(left > 10, "a monkey that never leaves did not press every key ({left})");
    slowest
}
