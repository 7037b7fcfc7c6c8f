//! A data folder on a disk that is full for a while.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tests::House;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    audit,
    deeds::{Book, Deed, Desk, Place},
    offices::Offices,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_commands_and_once_there_is_room_all_goes_on() {
    let folder = TempDir::new().unwrap();
    let disk = match Disk::mount(folder.path()) {
        Ok(disk) => disk,
        Err(refused) => {
            println!("SKIPPED: a small disk cannot be mounted here, it needs root: {refused}");
            return;
        }
    };
    let house = House::on(TempDir::new_in(&disk.0).unwrap()).await;
    let offices = Offices::of(house.folder(), house.address()).await;
    let place = Place::found(&offices).await;
    let desk = Desk::new(&offices, &place);
    let mut deeds = (0..).map(|number| Deed { lane: 0, number });
    let mut book = Book::default();
    // So many that the files of some logs and views have room to spare, and those of others do not.
    for deed in deeds.by_ref().take(1_500) {
        book.answers.insert(deed, deed.send(&desk).await.unwrap());
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
    for deed in refused.into_iter().chain(deeds.take(50)) {
        book.answers.insert(deed, deed.send(&desk).await.unwrap());
    }
    audit::nothing_lost(&offices, &place, &book).await;
    audit::recounted(&offices).await;
    drop(house);
}

/// `DISK_FULL`, or that nobody knows for the moment.
fn says_so(status: &Status) -> bool {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    reason == "DISK_FULL" || status.code() == Code::Unavailable
}

/// Gone when it is dropped.
struct Disk(PathBuf);

/// Takes all the room there is, until it is dropped.
struct Filling(PathBuf);

impl Disk {
    /// In memory, large enough for the empty logs and some thousands of commands.
    fn mount(folder: &Path) -> Result<Self, String> {
        let path = folder.join("disk");
        std::fs::create_dir(&path).unwrap();
        let mounting = Command::new("mount").args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"]).arg(&path).output();
        let mounted = mounting.map_err(|error| error.to_string())?;
        if mounted.status.success() { Ok(Self(path)) } else { Err(String::from_utf8_lossy(&mounted.stderr).into()) }
    }

    fn fill(&self) -> Filling {
        let path = self.0.join("filling");
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
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}
