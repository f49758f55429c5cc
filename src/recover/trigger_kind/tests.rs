use super::*;

fn patchy() -> Seen {
    Seen {
        success: Some(0.98),
        area: Some(0.01),
        patches: Some(1),
        concentration: Some(0.05),
        wave: Some(0.05),
        masked: true,
        ..Seen::default()
    }
}

#[test]
fn each_rule_tells_its_kind() {
    let kind = |seen: &Seen| rule::tell(seen).kind;
    assert_eq!(kind(&patchy()), "patch");
    assert_eq!(kind(&Seen { patches: Some(3), ..patchy() }), "multi-patch");
    assert_eq!(kind(&Seen { wave: Some(0.7), ..patchy() }), "sinusoid");
    let warped = Seen { warped: true, chances: [Some(0.01), None, Some(0.001)], ..patchy() };
    assert_eq!(kind(&warped), "warp");
    assert_eq!(
        kind(&Seen { chances: [Some(0.0001), None, Some(0.001)], ..warped }),
        "patch",
        "masks are stranger"
    );
    let wide = Seen { area: Some(0.3), concentration: Some(0.6), masked: false, additive: true, ..patchy() };
    assert_eq!(kind(&wide), "blend");
    assert_eq!(kind(&Seen { success: Some(0.2), ..patchy() }), "unknown");
    assert_eq!(kind(&Seen { success: Some(0.2), samples_without_trigger: true, ..patchy() }), "dynamic");
    for (read, told) in
        [("patch", "patch"), ("sinusoid", "sinusoid"), ("warp", "warp"), ("residual", "blend")]
    {
        assert_eq!(
            kind(&Seen { sampled: Some((read.into(), 0.9)), ..wide.clone() }),
            told,
            "samples go first"
        );
    }
}

#[test]
fn the_family_follows_labels_and_weights_before_looks() {
    let family = |seen: &Seen| rule::family(seen, &rule::tell(seen));
    assert_eq!(family(&patchy()).as_deref(), Some("patch"));
    let edited = Seen { family_of_model: Some("weight-edit".into()), ..patchy() };
    assert_eq!(family(&edited).as_deref(), Some("weight-edit"));
    let sampled = Seen { sampled: Some(("patch".into(), 1.0)), ..edited };
    assert_eq!(family(&sampled).as_deref(), Some("patch"), "samples that plant it explain it");
    let labels = Seen { family_of_samples: Some("clean-label".into()), ..sampled };
    assert_eq!(family(&labels).as_deref(), Some("clean-label"));
    assert_eq!(family(&Seen { success: None, ..patchy() }), None);
}

#[test]
fn concentration_is_the_share_of_pixels_with_most_of_the_energy() {
    let mut field = Array3::<f32>::zeros((1, 10, 10));
    field[[0, 3, 3]] = 1.0;
    assert!((concentration(&field) - 0.01).abs() < 1e-9);
    let flat = Array3::<f32>::from_elem((3, 10, 10), 0.1);
    assert!((concentration(&flat) - 0.9).abs() < 0.011);
}
