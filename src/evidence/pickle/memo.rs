//! The memo: a table for the low slots that picklers use, a map for the others, so that a slot number costs nothing.

use super::value::Value;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Memo {
    low: Vec<Option<Value>>,
    high: HashMap<u64, Value>,
    used: usize,
}

impl Memo {
    /// Slots written so far: the number that MEMOIZE uses next.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn put(&mut self, slot: u64, value: Value) {
        let Some(index) = usize::try_from(slot).ok().filter(|&i| i <= self.low.len() + 4096) else {
            self.used += usize::from(self.high.insert(slot, value).is_none());
            return;
        };
        // A slot that the table grows over may be in the map.
        if let Some(old) = self.high.get_mut(&slot) {
            *old = value;
            return;
        }
        if index >= self.low.len() {
            self.low.resize(index + 1, None);
        }
        if let Some(slot) = self.low.get_mut(index) {
            self.used += usize::from(slot.replace(value).is_none());
        }
    }

    pub(super) fn get(&self, slot: u64) -> Option<Value> {
        let low = usize::try_from(slot).ok().and_then(|i| self.low.get(i).copied().flatten());
        low.or_else(|| self.high.get(&slot).copied())
    }
}
