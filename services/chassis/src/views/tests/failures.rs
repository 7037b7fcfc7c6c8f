use super::*;
use crate::compound::Away;

async fn two_compounds(bench: &Bench) {
    for compound in ["a", "b"] {
        open(&bench.ledger, &call(&format!("open {compound}")), compound).await.unwrap();
        bench.gate(compound, &format!("{compound} first")).await;
    }
}

#[tokio::test]
async fn what_deciders_cannot_take_halts_them_until_somebody_resumes() {
    let bench = Bench::new().await;
    bench.sicken(true);
    two_compounds(&bench).await;
    let poison = bench.gate("a", POISON).await;
    bench.gate("b", "b later").await;
    let opened = bench.open(OnFailure::Halt).await;
    let progress = opened.progress();
    // What was asked for before a halt does not end it.
    progress.resume();
    let halted = progress.until(|standing| standing.state == State::Halted).await;
    assert_eq!(halted.position, poison - 1, "what stands before it is there to read");
    assert!(halted.error.contains("the gate is poisoned") && halted.error.contains("compound.gate_added"));
    assert_eq!(opened.shown().await["b"], (1, "b first".to_owned()), "and nothing behind it");
    progress.resume();
    progress.until(|standing| standing.state == State::Retrying).await;
    progress.until(|standing| standing.state == State::Halted).await;
    bench.sicken(false);
    progress.resume();
    opened.reached(&bench.log).await;
    assert_eq!(progress.standing().state, State::Running);
    assert_eq!(progress.standing().error, "");
    assert_eq!(opened.shown().await, bench.fold(&["a", "b"]).await);
}

#[tokio::test]
async fn a_projection_that_panics_halts_like_any_other() {
    let bench = Bench::new().await;
    bench.sicken(true);
    two_compounds(&bench).await;
    bench.gate("a", PANIC).await;
    let opened = bench.open(OnFailure::Halt).await;
    let progress = opened.progress();
    progress.until(|standing| standing.state == State::Halted && standing.error.contains("panicked")).await;
    bench.sicken(false);
    progress.resume();
    opened.reached(&bench.log).await;
    assert_eq!(opened.shown().await, bench.fold(&["a", "b"]).await);
}

#[tokio::test]
async fn what_figures_cannot_take_is_laid_aside_with_what_follows_it_and_replayed_in_order() {
    let bench = Bench::new().await;
    bench.sicken(true);
    two_compounds(&bench).await;
    let poison = bench.gate("a", POISON).await;
    let follower = bench.gate("a", "a later").await;
    bench.gate("b", "b later").await;
    let opened = bench.open(OnFailure::Park).await;
    let progress = opened.progress();
    progress.until(|standing| standing.parked == 2).await;
    opened.reached(&bench.log).await;
    assert_eq!(progress.standing().state, State::Running);
    let shown = opened.shown().await;
    assert_eq!((shown["a"].0, &*shown["a"].1), (1, "a first"), "its stream stands still");
    assert_eq!((shown["b"].0, &*shown["b"].1), (2, "b later"), "the others go on");
    let parked = opened.views.parked("registry", 10).await.unwrap();
    assert_eq!(parked.iter().map(|parked| parked.position).collect::<Vec<_>>(), [poison, follower]);
    assert_eq!((&*parked[0].stream, &*parked[0].event_type), ("compound/a", "compound.gate_added"));
    assert!(parked[0].error.contains("the gate is poisoned"));
    assert!(parked[1].error.contains("an earlier record of this stream"));

    // Known after a restart, and later records of the stream follow.
    opened.crash().await;
    let opened = bench.open(OnFailure::Park).await;
    let progress = opened.progress();
    assert_eq!(progress.standing().parked, 2);
    bench.gate("a", "a last").await;
    progress.until(|standing| standing.parked == 3).await;

    // Not mended: nothing of the stream goes past what fails.
    progress.resume();
    bench.gate("b", "b last").await;
    opened.reached(&bench.log).await;
    assert_eq!(opened.views.parked("registry", 10).await.unwrap().len(), 3);
    assert_eq!(opened.shown().await["a"].0, 1);

    bench.sicken(false);
    progress.resume();
    progress.until(|standing| standing.parked == 0).await;
    assert_eq!(opened.shown().await, bench.fold(&["a", "b"]).await, "in order, each once");
    assert!(opened.views.parked("registry", 10).await.unwrap().is_empty());
    let position = bench.gate("a", "a again").await;
    drop(opened.views.read(&after(position)).await.unwrap());
    assert_eq!(opened.shown().await, bench.fold(&["a", "b"]).await, "and its stream is followed again");
}

/// Another log of the same name, as after a restore.
async fn other_log(bench: &Bench) -> (Arc<dyn EventLog>, Ledger) {
    let path = bench.house.folder.path().join("restored/log.db");
    let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&path, "registry", Clock::system()).await.unwrap());
    let ledger = Ledger::new(Arc::clone(&log), Consumers::default());
    (log, ledger)
}

#[tokio::test]
async fn another_log_under_the_same_name_halts_views_until_they_are_built_anew() {
    for on_failure in [OnFailure::Halt, OnFailure::Park] {
        let mut bench = Bench::new().await;
        two_compounds(&bench).await;
        let opened = bench.open(on_failure).await;
        opened.reached(&bench.log).await;
        opened.crash().await;
        (bench.log, bench.ledger) = other_log(&bench).await;
        let opened = bench.open(on_failure).await;
        let progress = opened.progress();
        let halted = progress.until(|standing| standing.state == State::Halted).await;
        assert!(halted.error.contains("another one"), "seen although the other log is shorter: {}", halted.error);
        open(&bench.ledger, &call("open"), "z").await.unwrap();
        bench.gate("z", "z first").await;
        progress.resume();
        progress.until(|standing| standing.state == State::Halted).await;
        opened.views.rebuild().await.unwrap();
        assert_eq!(progress.standing().state, State::Running);
        assert_eq!(opened.shown().await, bench.fold(&["z"]).await);
        let position = bench.gate("z", "z last").await;
        drop(opened.views.read(&after(position)).await.unwrap());
    }
}

#[tokio::test]
async fn a_source_that_is_away_for_a_while_halts_nobody() {
    let bench = Bench::new().await;
    two_compounds(&bench).await;
    let source = Arc::new(Away::from(&bench.log, u64::from(follow::TRIES) + 1));
    let opened = bench.open_as(1, OnFailure::Halt, source).await;
    let progress = opened.progress();
    let first = progress.until(|standing| standing.state != State::Running).await;
    assert_eq!((first.state, first.error.contains("nobody answers")), (State::Retrying, true));
    let next = progress.until(|standing| standing.state != State::Retrying).await;
    assert_eq!(next.state, State::Running);
    assert_eq!(opened.shown().await, bench.fold(&["a", "b"]).await);
}
