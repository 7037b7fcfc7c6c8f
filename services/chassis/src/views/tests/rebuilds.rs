use super::*;

#[tokio::test]
async fn a_projection_of_another_version_gets_a_new_generation_and_the_old_one_goes() {
    let bench = Bench::new().await;
    open_with_gates(&bench.ledger, "c", 30).await;
    let opened = bench.open(OnFailure::Halt).await;
    opened.reached(&bench.log).await;
    opened.crash().await;
    let feed = || Arc::new(InProcess(Arc::clone(&bench.log)));
    let opened = bench.open_as(2, OnFailure::Halt, feed()).await;
    opened.reached(&bench.log).await;
    assert_eq!(opened.shown().await, bench.fold(&["c"]).await);
    assert_eq!(bench.files(), ["2.db"]);
    opened.crash().await;
    let opened = bench.open_as(2, OnFailure::Halt, feed()).await;
    assert_eq!(opened.progress().standing().position, 31, "it is not built once more");
    assert_eq!(bench.files(), ["2.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_while_writes_go_on_is_seen_by_nobody_and_equals_a_fresh_fold() {
    let bench = Arc::new(Bench::new().await);
    open_with_gates(&bench.ledger, "old", 1_200).await;
    let opened = bench.open(OnFailure::Halt).await;
    opened.reached(&bench.log).await;
    let views = opened.views.clone();
    let ended = Arc::new(AtomicBool::new(false));
    let writers = ["a", "b", "c"].map(|compound| {
        let (bench, views, ended) = (Arc::clone(&bench), views.clone(), Arc::clone(&ended));
        tokio::spawn(async move {
            open(&bench.ledger, &call(&format!("open {compound}")), compound).await.unwrap();
            let mut gates = 0_i64;
            while !ended.load(Ordering::Relaxed) {
                gates += 1;
                let position = bench.gate(compound, &gates.to_string()).await;
                let mut db = views.read(&after(position)).await.expect("no query fails because of a rebuild");
                let shown: i64 = sqlx::query_scalar("SELECT gates FROM compound WHERE id = $1")
                    .bind(compound.to_owned())
                    .fetch_one(&mut *db)
                    .await
                    .unwrap();
                assert_eq!(shown, gates, "a write is read at once");
            }
            gates
        })
    });
    for generation in 2..=6 {
        let (number, records) = views.rebuild().await.unwrap();
        assert_eq!(number, generation);
        assert!(records >= 1_201, "{records}");
        assert_eq!(bench.files().len(), 2, "the one before is kept for those who read it still");
    }
    ended.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
    opened.reached(&bench.log).await;
    let fold = bench.fold(&["old", "a", "b", "c"]).await;
    assert_eq!(opened.shown().await, fold);
    let head = i64::try_from(bench.log.head().await.unwrap().position).unwrap();
    assert_eq!(opened.seen().await, (1..=head).collect::<Vec<_>>());
    opened.crash().await;
    let opened = bench.open(OnFailure::Halt).await;
    assert_eq!(opened.shown().await, fold, "opened again it is the newest one");
    assert_eq!(bench.files(), ["6.db"]);
}

#[tokio::test]
async fn who_waits_for_a_record_goes_on_waiting_when_a_new_generation_takes_over() {
    let bench = Bench::new().await;
    open(&bench.ledger, &call("open"), "c").await.unwrap();
    let opened = bench.open(OnFailure::Halt).await;
    opened.reached(&bench.log).await;
    let call = after(2);
    let waiting = opened.views.read(&call);
    let meanwhile = async {
        // The query is polled first and waits by now.
        opened.views.rebuild().await.unwrap();
        assert_eq!(bench.gate("c", "east").await, 2);
    };
    let (answered, ()) = tokio::join!(waiting, meanwhile);
    let mut db = answered.unwrap();
    let gates: i64 = sqlx::query_scalar("SELECT gates FROM compound").fetch_one(&mut *db).await.unwrap();
    assert_eq!(gates, 1);
}

#[tokio::test]
async fn a_rebuild_that_a_crash_cut_off_is_never_taken_for_the_live_one() {
    let bench = Bench::new().await;
    open_with_gates(&bench.ledger, "c", 10).await;
    let opened = bench.open(OnFailure::Halt).await;
    opened.reached(&bench.log).await;
    let inner = &opened.views.inner;
    let fingerprint = fingerprint(&inner.projections);
    let half = Generation::create(&inner.shelf, &fingerprint, &inner.projections, false);
    half.await.unwrap().close().await;
    opened.crash().await;
    let opened = bench.open(OnFailure::Halt).await;
    assert_eq!(opened.progress().standing().position, 11);
    assert_eq!(opened.shown().await, bench.fold(&["c"]).await);
    assert_eq!(bench.files(), ["1.db"]);
}

#[tokio::test]
async fn a_rebuild_that_fails_leaves_the_live_one_as_it_is() {
    let bench = Bench::new().await;
    open(&bench.ledger, &call("open"), "c").await.unwrap();
    bench.gate("c", POISON).await;
    let opened = bench.open(OnFailure::Halt).await;
    opened.reached(&bench.log).await;
    bench.sicken(true);
    let failed = opened.views.rebuild().await.unwrap_err();
    assert!(format!("{failed:#}").contains("the gate is poisoned"));
    assert_eq!(bench.files(), ["1.db"]);
    let position = bench.gate("c", "later").await;
    drop(opened.views.read(&after(position)).await.expect("it is followed as before"));
    assert_eq!(opened.shown().await, bench.fold(&["c"]).await);
    bench.sicken(false);
    assert_eq!(opened.views.rebuild().await.unwrap(), (2, 3));
    assert_eq!(opened.shown().await, bench.fold(&["c"]).await);
}
