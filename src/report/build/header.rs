//! The head of the report: which case, who asked what on whose authority, when, and with which program.

use super::Builder;

impl Builder<'_> {
    /// Names and values, in order.
    pub(super) fn header(&self) -> Vec<(String, String)> {
        let l = self.ledger;
        let said = |t: &Option<String>| t.clone().unwrap_or_else(|| "not stated in the case file".to_owned());
        let or_none = |t: &str| if t.is_empty() { "-".to_owned() } else { t.to_owned() };
        let mut rows = vec![
            ("Case", or_none(&l.case)),
            (
                "Questions asked",
                if l.questions.is_empty() { "none of its own".to_owned() } else { l.questions.join(" · ") },
            ),
            ("Requested by", said(&l.handling.requester)),
            ("Authority and scope", said(&l.handling.authority)),
        ];
        if let Some(organisation) = &l.handling.organisation {
            rows.push(("Organisation", organisation.clone()));
        }
        rows.push(("Classification", said(&l.handling.classification)));
        rows.push(("Examined by", or_none(&l.analyst)));
        rows.push(("Opened (UTC)", or_none(&l.opened)));
        rows.push(("Last event (UTC)", or_none(&l.closed)));
        rows.push(("Program", format!("laocoon {}", l.tool)));
        rows.push(("Build", or_none(&l.build)));
        if let Some((what, head)) = &self.state.redacted {
            rows.push((
                "Redacted copy",
                format!("without {}, of the session that ends in {head}", what.join(" and ")),
            ));
        }
        rows.push(("Journal head", or_none(&l.head)));
        rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
