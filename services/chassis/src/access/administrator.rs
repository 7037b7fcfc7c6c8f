//! The first administrator's one-time code. Only a keyed digest of it is kept; it is spent once, also across restarts. While
//! nobody claimed it, each start makes another, since the earlier one cannot be shown again.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    Clock,
    secrets::{Key, Secrets, hex, random, write_whole},
};

const FILE: &str = "access.json";

/// Spends the code and knows whether it was spent.
pub struct FirstAdministrator {
    dir: PathBuf,
    key: Key,
    clock: Clock,
    /// Of two who send the right code at once, one gets a token.
    spending: Mutex<()>,
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    /// Hexadecimal; empty where no code is open.
    code_digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_at: Option<String>,
}

impl FirstAdministrator {
    /// The code comes along while no administrator was ever claimed: show it to whoever started the process, nowhere else.
    pub fn open(dir: &Path, secrets: &Secrets, clock: Clock) -> anyhow::Result<(Self, Option<String>)> {
        let key = secrets.administrator_code_key();
        let this = Self { dir: dir.to_owned(), key, clock, spending: Mutex::default() };
        let claimed = this.read()?.claimed_at.is_some();
        let code = if claimed { None } else { Some(this.another_code()?) };
        Ok((this, code))
    }

    /// A new code in place of the earlier one, for whoever has the data folder in hand and lost every administrator's token.
    pub fn another_code(&self) -> anyhow::Result<String> {
        let code = hex(&random::<16>()?);
        let digest = hex(&self.digest(&code).finalize().into_bytes());
        self.write(&State { code_digest: digest, claimed_at: None })?;
        Ok(code)
    }

    /// Whether this is the open code, which is spent by asking. Durable before it returns.
    pub(super) fn spend(&self, code: &str) -> anyhow::Result<bool> {
        let _one_at_a_time = self.spending.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.read()?;
        let open = state.claimed_at.is_none() && !state.code_digest.is_empty();
        // The comparison takes as long for a near miss as for any other.
        if !open || self.digest(code.trim()).verify_slice(&bytes(&state.code_digest)).is_err() {
            return Ok(false);
        }
        self.write(&State { code_digest: String::new(), claimed_at: Some(self.clock.now().to_rfc3339()) })?;
        Ok(true)
    }

    fn digest(&self, code: &str) -> Hmac<Sha256> {
        <Hmac<Sha256>>::new_from_slice(self.key.expose_secret())
            .expect("HMAC takes a key of any length")
            .chain_update(code)
    }

    fn read(&self) -> anyhow::Result<State> {
        let file = self.dir.join(FILE);
        let content = match fs::read(&file) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        serde_json::from_slice(&content).with_context(|| {
            format!(
                "{} is damaged: put a copy of it back, or delete it to make a new administrator's code",
                file.display()
            )
        })
    }

    fn write(&self, state: &State) -> anyhow::Result<()> {
        let file = self.dir.join(FILE);
        fs::create_dir_all(&self.dir).with_context(|| format!("making the folder {}", self.dir.display()))?;
        write_whole(&self.dir, &file, &serde_json::to_vec_pretty(state)?, true)
            .with_context(|| format!("writing {}", file.display()))?;
        Ok(())
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2)
        .map_while(|n| digits.get(2 * n..2 * n + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn open(dir: &Path) -> (FirstAdministrator, Option<String>) {
        FirstAdministrator::open(dir, &Secrets::open_or_create(dir).unwrap(), Clock::system()).unwrap()
    }

    #[test]
    fn the_code_is_spent_once_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (first, code) = open(dir.path());
        let code = code.unwrap();
        assert!(!first.spend("").unwrap());
        assert!(!first.spend("0123456789abcdef0123456789abcdef").unwrap());
        assert!(first.spend(&format!(" {code}\n")).unwrap());
        assert!(!first.spend(&code).unwrap());
        let (again, none) = open(dir.path());
        assert_eq!(none, None);
        assert!(!again.spend(&code).unwrap());
        assert!(!again.spend("").unwrap());
    }

    #[test]
    fn a_start_before_the_claim_replaces_the_code() {
        let dir = tempfile::tempdir().unwrap();
        let earlier = open(dir.path()).1.unwrap();
        let (first, code) = open(dir.path());
        assert!(!first.spend(&earlier).unwrap());
        assert!(first.spend(&code.unwrap()).unwrap());
    }

    #[test]
    fn whoever_has_the_data_folder_can_make_another_code() {
        let dir = tempfile::tempdir().unwrap();
        let (first, code) = open(dir.path());
        assert!(first.spend(&code.unwrap()).unwrap());
        let code = open(dir.path()).0.another_code().unwrap();
        assert!(first.spend(&code).unwrap());
        assert!(!first.spend(&code).unwrap());
    }

    #[test]
    fn of_many_who_send_the_code_at_once_one_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let (first, code) = open(dir.path());
        let code = code.unwrap();
        let spent = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| first.spend(&code).unwrap())).collect();
            tries.into_iter().map(|one| one.join().unwrap()).filter(|spent| *spent).count()
        });
        assert_eq!(spent, 1);
    }

    #[test]
    fn the_file_holds_no_code_and_is_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (_, code) = open(dir.path());
        let file = dir.path().join(FILE);
        assert!(!fs::read_to_string(&file).unwrap().contains(&code.unwrap()));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        let secrets = Secrets::open_or_create(dir.path()).unwrap();
        let error = FirstAdministrator::open(dir.path(), &secrets, Clock::system()).err().unwrap();
        assert!(format!("{error:#}").contains("put a copy of it back"));
    }
}
