//! What a worker enters: a page on the phone is a scan, a ticket or a proof only supports.

use chassis::refusal::Spoken;
use proto::screening::v1::{
    Attestation, EvidenceKind, Itinerary, ListEvidenceRequest, Outcome, Page, Source, Visit, number_inquiry::State,
    record_evidence_request::Content,
};

use super::street::{MOBILE, Street, number_of, outcome, stay, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_proves_a_key_area_and_its_last_day_and_scans_no_number() {
    let street = Street::open().await;
    street.carriers.was(MOBILE, vec![stay("宁波", "2020-01-25", "2020-02-11")]);
    let case = street.declared("1幢", &[MOBILE], &[]).await;
    let none = street.enter(&case, EvidenceKind::Ticket, ticket("武汉", "2020-01-24")).await.unwrap();
    assert!(none.is_none(), "a paper closes nothing");
    let scanned = street.scan(&case, 1, MOBILE, Source::Mobile).await;
    assert_eq!(outcome(&scanned), Some(Outcome::ConcealedKeyArea));
    assert_eq!(scanned.case.unwrap().verdict.unwrap().last_exposure, "2020-01-24", "R10: day 0 is proven");
    let late = street.enter(&case, EvidenceKind::Ticket, ticket("武汉", "2020-01-26")).await.unwrap().unwrap();
    assert_eq!(late.last_exposure, "2020-01-26", "new proof recomputes, also after the verdict");
    let evidence = street.carriers().list_evidence(ListEvidenceRequest { case }).await.unwrap().into_inner().evidence;
    let kinds: Vec<EvidenceKind> = evidence.iter().map(proto::screening::v1::Evidence::kind).collect();
    assert_eq!(kinds, [EvidenceKind::Ticket, EvidenceKind::Carrier, EvidenceKind::Ticket]);
    assert!(evidence.iter().all(|evidence| evidence.by == "staff/worker"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_phone_shows_is_a_scan_and_a_proof_only_supports() {
    let street = Street::open().await;
    let case = street.declared("1幢", &[MOBILE], &[("上海", "2020-01-30", "2020-02-01")]).await;
    let proof = |issuer: &str| {
        Content::Proof(Attestation {
            place: "上海".into(),
            from: "2020-01-30".into(),
            to: "2020-02-01".into(),
            issuer: issuer.into(),
        })
    };
    let page = Content::Page(Page {
        source: Source::Mobile.into(),
        phone: 1,
        window_from: "2020-01-28".into(),
        window_to: "2020-02-10".into(),
        itinerary: Some(Itinerary {
            visits: vec![Visit {
                place: "宁波".into(),
                first: "2020-01-28".into(),
                last: "2020-02-10".into(),
                hours: None,
            }],
        }),
    });
    let wrong = street.enter(&case, EvidenceKind::Ticket, proof("某公司")).await.unwrap_err();
    assert_eq!(Spoken::from(&wrong).fields[0].field, "kind");
    let over = street.enter(&case, EvidenceKind::NationalCard, page).await.unwrap().unwrap();
    assert_eq!(over.outcome(), Outcome::OverDeclared);
    assert_eq!(number_of(&street.inquiry(&case).await, 1).state(), State::Scanned);
    let clear = street.enter(&case, EvidenceKind::Workplace, proof("某公司")).await.unwrap().unwrap();
    assert_eq!(clear.outcome(), Outcome::Clear, "every number is scanned, and the stay is proven");
}
