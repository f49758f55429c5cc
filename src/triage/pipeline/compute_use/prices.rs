//! What an hour of an accelerator costs.

use super::super::table::{Table, number};

/// Dollars per hour, when the case names no table.
pub(super) const PRICES: &str = include_str!("../gpu_prices.csv");

/// Dollars per hour: from and to.
pub(super) type Price = (f64, f64);

/// The price of an accelerator: the first line whose name is part of its.
pub(super) fn price(table: &str, model: &str) -> Result<(String, Price), String> {
    let table = Table::read(table)?;
    let (gpu, usd) =
        (table.column(&["gpu", "name", "model"]), table.column(&["usd_per_hour", "price", "usd", "low"]));
    let (gpu, usd) = (gpu.ok_or("no column 'gpu'")?, usd.ok_or("no column 'usd_per_hour'")?);
    let high = table.column(&["usd_per_hour_high", "high"]);
    let plain = |t: &str| t.to_lowercase().replace([' ', '-', '_'], "");
    let line = |row: &csv::StringRecord| {
        let low = row.get(usd).and_then(number).filter(|x| x.is_finite() && *x >= 0.0)?;
        let high = high.and_then(|h| row.get(h)).and_then(number).filter(|x| x.is_finite()).unwrap_or(low);
        Some((row.get(gpu).unwrap_or_default().to_owned(), (low, high.max(low))))
    };
    let lines: Vec<_> = table.rows.iter().filter_map(line).collect();
    let named = lines
        .iter()
        .find(|(name, _)| !model.is_empty() && name != "*" && plain(model).contains(&plain(name)));
    named
        .or_else(|| lines.iter().find(|(name, _)| name == "*"))
        .cloned()
        .ok_or_else(|| "no line '*' for other accelerators".into())
}
