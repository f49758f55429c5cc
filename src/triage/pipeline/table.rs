//! Tables as tools write them: CSV, tab-separated, Zeek logs with `#fields`, columns apart by blanks.

use crate::evidence::limits::{Limits, cap};

/// A table in memory. Column names are lower case, their units and punctuation gone (`utilization.gpu [%]` becomes
/// `utilization_gpu`).
#[derive(Debug)]
pub(super) struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<csv::StringRecord>,
    /// Lines that are no rows: a wrong number of cells, no UTF-8.
    pub skipped: usize,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// No header, or more rows than the cap.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
        if text.lines().take(40).any(|l| l.starts_with("#fields")) {
            return zeek(text);
        }
        if first.starts_with('#') {
            return blanks(text);
        }
        let count = |c: char| first.matches(c).count();
        let delimiter = [',', '\t', ';'].into_iter().max_by_key(|c| (count(*c), *c == ',')).unwrap_or(',');
        if count(delimiter) == 0 && first.split_whitespace().count() > 2 {
            return blanks(text);
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter as u8)
            .trim(csv::Trim::All)
            .flexible(true)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let columns: Vec<String> = reader.headers().map_err(|e| e.to_string())?.iter().map(name).collect();
        let mut table = Self { columns, rows: Vec::new(), skipped: 0 };
        for row in reader.records() {
            match row {
                Ok(row) => table.push(row)?,
                Err(_) => table.skipped += 1,
            }
        }
        table.checked()
    }

    fn push(&mut self, row: csv::StringRecord) -> Result<(), String> {
        let limits = Limits::in_force();
        if self.rows.len() >= limits.table_rows {
            return Err(format!("too many rows: {}", cap!(limits, table_rows)));
        }
        // A header that is repeated where a log was started again is no row.
        let header = row.iter().zip(&self.columns).all(|(cell, column)| name(cell) == *column);
        if row.len() == self.columns.len() && !header {
            self.rows.push(row);
        } else {
            self.skipped += usize::from(!header);
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, String> {
        if self.columns.iter().all(String::is_empty)
            || self.columns.first().is_some_and(|c| c.parse::<f64>().is_ok())
        {
            return Err("no line of column names".into());
        }
        Ok(self)
    }

    /// The first column that has one of the names.
    pub(super) fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|n| self.columns.iter().position(|c| c == n))
    }

    /// Cells of a column as numbers.
    pub(super) fn numbers(&self, column: usize) -> Vec<Option<f64>> {
        self.rows.iter().map(|r| r.get(column).and_then(number)).collect()
    }
}

/// A column's name without units and punctuation.
fn name(text: &str) -> String {
    let text = text.split(['[', '(']).next().unwrap_or_default();
    let plain: String =
        text.trim().chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    plain.trim_matches('_').to_owned()
}

/// A cell as a number, its unit gone. Binary sizes become MiB where they name GiB or KiB.
pub(super) fn number(cell: &str) -> Option<f64> {
    let cell = cell.trim();
    let end = cell.find(|c: char| c.is_alphabetic() && !matches!(c, 'e' | 'E')).unwrap_or(cell.len());
    let (digits, unit) = cell.split_at(end);
    let value: f64 = match digits.trim().trim_end_matches('%').trim().parse() {
        Ok(value) => value,
        // "1e5" has been cut nowhere, "nan" and "inf" at once.
        Err(_) => return cell.parse().ok(),
    };
    let scale = match unit.trim() {
        "GiB" | "GB" => 1024.0,
        "KiB" | "kB" | "KB" => 1.0 / 1024.0,
        _ => 1.0,
    };
    Some(value * scale)
}

fn zeek(text: &str) -> Result<Table, String> {
    let mut table = Table { columns: Vec::new(), rows: Vec::new(), skipped: 0 };
    let separator = if text.lines().take(40).any(|l| l.starts_with("#separator \\x2c")) { ',' } else { '\t' };
    for line in text.lines() {
        if let Some(fields) = line.strip_prefix("#fields") {
            table.columns = fields.trim_start_matches(separator).split(separator).map(name).collect();
        } else if !line.starts_with('#') && !line.trim().is_empty() {
            table.push(line.split(separator).map(|c| if c == "-" { "" } else { c }).collect())?;
        }
    }
    table.checked()
}

/// Columns apart by blanks, names in the first line that begins with `#` (nvidia-smi dmon, dcgmi dmon) or in the first.
fn blanks(text: &str) -> Result<Table, String> {
    let mut table = Table { columns: Vec::new(), rows: Vec::new(), skipped: 0 };
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let cells: Vec<&str> = line.trim_start_matches('#').split_whitespace().collect();
        if table.columns.is_empty() {
            table.columns = cells.into_iter().map(name).collect();
        } else if !line.starts_with('#') {
            let n = table.columns.len();
            // "GPU 0" is one cell.
            let cells = match cells.as_slice() {
                [kind, rest @ ..] if rest.len() == n && kind.chars().all(char::is_alphabetic) => rest,
                all => all,
            };
            table.push(cells.iter().collect())?;
        }
    }
    table.checked()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_usual_tools() {
        let smi = "timestamp, name, utilization.gpu [%], memory.used [MiB], power.draw [W]\n\
                   2026/03/02 10:00:00.000, NVIDIA A100, 98 %, 40211 MiB, 391.20 W\n2026/03/02 10:00:01.000, NVIDIA A100, [N/A], 1 GiB, 60 W\n";
        let t = Table::read(smi).unwrap();
        assert_eq!(t.columns, ["timestamp", "name", "utilization_gpu", "memory_used", "power_draw"]);
        let util = t.column(&["util", "utilization_gpu"]).unwrap();
        assert_eq!(t.numbers(util), [Some(98.0), None]);
        assert_eq!(t.numbers(3), [Some(40211.0), Some(1024.0)]);
        let dmon = "# gpu   pwr   sm\n# Idx   W   %\n    0   391   98\n    1    60    0\n";
        let t = Table::read(dmon).unwrap();
        assert_eq!((t.columns.len(), t.rows.len()), (3, 2));
        let dcgm = "#Entity   GPUTL  POWER\nID\nGPU 0     98     391.2\nGPU 1     0      60.1\n";
        let t = Table::read(dcgm).unwrap();
        assert_eq!((t.rows.len(), &t.rows[0][0], t.skipped), (2, "0", 1));
        let zeek = "#separator \\x09\n#fields\tts\tid.resp_h\tid.resp_p\torig_bytes\n#types\ttime\taddr\tport\tcount\n1.5\t10.0.0.1\t443\t-\n";
        let t = Table::read(zeek).unwrap();
        assert_eq!(t.columns, ["ts", "id_resp_h", "id_resp_p", "orig_bytes"]);
        assert_eq!(t.numbers(3), [None]);
        assert_eq!(Table::read("step;loss\n1;0.5\nstep;loss\n2;0.4\n").unwrap().rows.len(), 2);
    }

    #[test]
    fn what_is_no_table() {
        assert!(Table::read("").is_err());
        assert!(Table::read("1,2,3\n4,5,6\n").is_err());
        assert_eq!(Table::read("a,b\n1\n1,2,3\n1,2\n").unwrap().skipped, 2);
        assert_eq!(number("1e-3"), Some(1e-3));
        assert_eq!(number("[Not Supported]"), None);
        assert!(number("nan").unwrap().is_nan());
    }
}
