//! A data folder on a disk that is full for a while.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tests::{
    House,
    apart::{Apart, Circumstances, nats_server},
    postgres::Cluster,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    audit,
    deeds::{Book, Deed, Desk, Place, insist},
    offices::Offices,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_commands_and_once_there_is_room_all_goes_on() {
    let Some(disk) = Disk::mount("500m") else { return };
    let house = House::on(TempDir::new_in(disk.path()).unwrap()).await;
    let offices = Offices::of(house.folder(), house.address()).await;
    // So many that the files of some logs and views have room to spare, and those of others do not.
    filled_and_freed(&offices, &disk, 4_000, async || {}).await;
    drop(house);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_apart_whose_database_has_no_room_refuse_commands_and_go_on_once_there_is_some() {
    let (Some(nats), Some(disk)) = (nats_server(), Disk::mount("500m")) else { return };
    let place = disk.path().to_owned();
    let postgres = tokio::task::spawn_blocking(move || Cluster::on_disk(&place)).await.unwrap().unwrap();
    let circumstances = Circumstances { postgres: Some(postgres), ..Circumstances::default() };
    let mut apart = Apart::under(nats, 1, circumstances).await;
    let offices = Offices::of_services(&apart);
    filled_and_freed(&offices, &disk, 100, async || {
        // Without room for its journal the server has ended.
        apart.postgres.revive().unwrap();
        apart.ready().await;
    })
    .await;
}

/// `at_first`: deeds before the disk is full. `freed`: what is done for the services once there is room again.
async fn filled_and_freed(offices: &Offices, disk: &Disk, at_first: usize, freed: impl AsyncFnOnce()) {
    let place = Place::found(offices).await;
    let desk = Desk::new(offices, &place);
    let mut deeds = (0..).map(|number| Deed { lane: 0, number });
    let mut book = Book::default();
    for deed in deeds.by_ref().take(at_first) {
        book.answers.insert(deed, insist(async || deed.send(&desk).await).await);
    }
    let filling = disk.fill();
    // What the logs have room for already may still be done; then commands are refused, for longer than a consumer tries.
    let (mut refused, mut full_since) = (Vec::new(), None::<Instant>);
    for deed in deeds.by_ref() {
        match deed.send(&desk).await {
            Ok(answer) => drop(book.answers.insert(deed, answer)),
            Err(status) => {
                assert!(says_so(&status), "{deed:?}: {status:?}");
                full_since.get_or_insert_with(Instant::now);
                refused.push(deed);
            }
        }
        if full_since.is_some_and(|since| since.elapsed() > Duration::from_secs(8)) {
            break;
        }
        assert!(book.answers.len() < 50_000, "the disk does not become full");
    }
    println!("| done until the disk was full {} | refused {} |", book.answers.len(), refused.len());
    drop(filling);
    let over = Instant::now();
    freed().await;
    for deed in refused.into_iter().chain(deeds.take(50)) {
        book.answers.insert(deed, insist(async || deed.send(&desk).await).await);
    }
    println!("| everything refused was done {:.1} s after there was room |", over.elapsed().as_secs_f64());
    audit::nothing_lost(offices, &place, &book).await;
    audit::recounted(offices).await;
}

/// `DISK_FULL`, or that nobody knows for the moment.
fn says_so(status: &Status) -> bool {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    reason == "DISK_FULL" || status.code() == Code::Unavailable
}

/// Gone when it is dropped.
struct Disk(TempDir);

/// Takes all the room there is, until it is dropped.
struct Filling(PathBuf);

impl Disk {
    /// In memory, large enough for the longest WAL of each log and some thousands of commands; `None` where that takes more rights.
    fn mount(size: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let options = format!("size={size},mode=755");
        let mounting = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        let refused = match mounting {
            Ok(mounted) if mounted.status.success() => return Some(Self(folder)),
            Ok(mounted) => String::from_utf8_lossy(&mounted.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        println!("SKIPPED: a small disk cannot be mounted here, it needs root: {refused}");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fill(&self) -> Filling {
        let path = self.path().join("filling");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[0; 4_096]).is_ok() {}
        Filling(path)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Its files may be open still: it goes with the last of them.
        drop(Command::new("umount").arg("--lazy").arg(self.path()).status());
    }
}
