//! Tables of names that decide over a verdict. Each entry is asked for by way of [`holds`], so that a test can switch
//! single ones off and see that some sample's verdict depends on it: a rule that nothing depends on is dead, or shadowed
//! by another.

/// Whether `entry` of the table called `table` is in force: always, but for a test that has switched it off.
#[cfg(not(test))]
#[inline]
pub(super) fn holds(_table: &str, _entry: &str) -> bool {
    true
}

#[cfg(test)]
thread_local! {
    static OFF: std::cell::RefCell<Option<(String, String)>> = const { std::cell::RefCell::new(None) };
}

#[cfg(test)]
pub(super) fn holds(table: &str, entry: &str) -> bool {
    OFF.with_borrow(|off| off.as_ref().is_none_or(|(t, e)| t != table || e != entry))
}

/// As [`holds`], of the entry `module name`.
#[cfg(not(test))]
#[inline]
pub(super) fn holds_pair(_table: &str, _module: &str, _name: &str) -> bool {
    true
}

#[cfg(test)]
pub(super) fn holds_pair(table: &str, module: &str, name: &str) -> bool {
    holds(table, &format!("{module} {name}"))
}

/// Does something as if a table lacked an entry.
#[cfg(test)]
pub(super) fn without<T>(table: &str, entry: &str, work: impl FnOnce() -> T) -> T {
    OFF.set(Some((table.to_owned(), entry.to_owned())));
    let done = work();
    OFF.set(None);
    done
}

/// Whether a table has `name`.
pub(super) fn listed(table: &str, entries: &[&str], name: &str) -> bool {
    entries.contains(&name) && holds(table, name)
}
