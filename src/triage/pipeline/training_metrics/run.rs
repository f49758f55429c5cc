//! The metrics of one run.

use super::super::moment;
use super::super::table::Table;

/// One run.
#[derive(Debug, Default, Clone)]
pub struct Run {
    pub step: Vec<f64>,
    pub time: Vec<f64>,
    pub loss: Vec<f64>,
    pub accuracy: Vec<Option<f64>>,
    pub rate: Vec<Option<f64>>,
}

impl Run {
    /// Reads a table of metrics; times are empty where there is no column of them.
    pub fn read(text: &str) -> Result<Self, String> {
        let table = Table::read(text)?;
        let step =
            table.column(&["step", "global_step", "iteration", "iter", "train_step", "batch", "epoch"]);
        let loss = table.column(&[
            "loss",
            "train_loss",
            "training_loss",
            "total_loss",
            "train_total_loss",
            "val_loss",
            "eval_loss",
        ]);
        let loss = loss.ok_or("no column 'loss'")?;
        let accuracy = table.column(&[
            "accuracy",
            "acc",
            "train_accuracy",
            "train_acc",
            "top1",
            "val_accuracy",
            "val_acc",
            "eval_accuracy",
        ]);
        let rate = table.column(&["lr", "learning_rate"]);
        let time = table.column(&["time", "timestamp", "wall_time", "date", "datetime", "ts"]);
        let column = |c: Option<usize>| c.map(|c| table.numbers(c));
        let (steps, losses) = (column(step), table.numbers(loss));
        let (accuracy, rate) = (column(accuracy), column(rate));
        let mut run = Self::default();
        for (i, row) in table.rows.iter().enumerate() {
            let Some(loss) = losses[i] else { continue };
            let at = time.and_then(|t| moment::parse(row.get(t)?));
            if time.is_some() && at.is_none() {
                continue;
            }
            run.step.push(steps.as_ref().map_or(Some(i as f64), |s| s[i]).unwrap_or(i as f64));
            run.time.extend(at);
            run.loss.push(loss);
            let cell = |c: &Option<Vec<Option<f64>>>| c.as_ref().and_then(|c| c[i]).filter(|x| x.is_finite());
            // Per cent or share.
            run.accuracy.push(cell(&accuracy).map(|a| if a > 1.0 { a / 100.0 } else { a }));
            run.rate.push(cell(&rate));
        }
        Ok(run)
    }

    pub(super) fn len(&self) -> usize {
        self.loss.len()
    }

    /// Rows whose loss is a number above zero.
    pub(super) fn whole(&self) -> Self {
        let keep: Vec<usize> =
            (0..self.len()).filter(|&i| self.loss[i].is_finite() && self.loss[i] > 0.0).collect();
        let pick = |v: &[f64]| keep.iter().filter_map(|&i| v.get(i).copied()).collect::<Vec<_>>();
        let some = |v: &[Option<f64>]| keep.iter().map(|&i| v.get(i).copied().flatten()).collect::<Vec<_>>();
        Self {
            step: pick(&self.step),
            time: pick(&self.time),
            loss: pick(&self.loss),
            accuracy: some(&self.accuracy),
            rate: some(&self.rate),
        }
    }
}
