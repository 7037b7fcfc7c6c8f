//! The one secret of an installation, made at its first start or mounted as a file. Every other key derives from it under a
//! label of its own, so that one file has to be kept and none of the keys tells anything about another.

use std::{
    fmt, fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::Sha256;

use crate::call::Fingerprinter;

/// The name of the file in the data folder.
pub const FILE: &str = "root.secret";

const LENGTH: usize = 32;

/// A derived key, wiped from memory when it is dropped.
pub type Key = SecretBox<[u8; LENGTH]>;

/// The root secret. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    root: Arc<Key>,
    file: Arc<PathBuf>,
}

impl Secrets {
    /// The secret in this data folder, made anew where there is none.
    pub fn open_or_create(dir: &Path) -> anyhow::Result<Self> {
        let file = dir.join(FILE);
        if !file.try_exists().with_context(|| format!("looking for {}", file.display()))? {
            fs::create_dir_all(dir).with_context(|| format!("making the folder {}", dir.display()))?;
            create(dir, &file).with_context(|| format!("making the secret {}", file.display()))?;
        }
        Self::from_file(&file)
    }

    /// A mounted secret: 32 bytes, or 64 hexadecimal digits.
    pub fn from_file(file: &Path) -> anyhow::Result<Self> {
        let mode = fs::metadata(file)
            .with_context(|| {
                format!("reading the secret {}: does the file exist, and may this user read it?", file.display())
            })?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            tracing::warn!(file = %file.display(), "others on this machine may read the secret: chmod 600 it");
        }
        let mut content =
            fs::read(file).with_context(|| format!("reading the secret {}: may this user read it?", file.display()))?;
        let root = parse(&content);
        let length = content.len();
        secrecy::zeroize::Zeroize::zeroize(&mut content);
        let Some(root) = root else {
            bail!(
                "the secret {} must be 32 bytes or 64 hexadecimal digits, and has {length} bytes: \
                 put the right file back, or make a new one for a new installation with `openssl rand -hex 32`",
                file.display()
            );
        };
        Ok(Self { root: Arc::new(root), file: Arc::new(file.to_owned()) })
    }

    /// Another secret in the same folder, which nothing derives from this one; `None` where there is no such file.
    pub fn beside(&self, name: &str) -> anyhow::Result<Option<Key>> {
        let file = self.file.with_file_name(name);
        if !file.try_exists().with_context(|| format!("looking for {}", file.display()))? {
            return Ok(None);
        }
        Ok(Some(SecretBox::new(Box::new(*Self::from_file(&file)?.root.expose_secret()))))
    }

    /// Makes a data folder's secrets of these names where it has none at all yet: an installation that went on without one goes on
    /// without it. They come before the one that everything else derives from, so that a crash between the two leaves them out of
    /// no installation.
    pub fn create_beside(dir: &Path, names: &[&str]) -> anyhow::Result<()> {
        if dir.join(FILE).try_exists().with_context(|| format!("looking into {}", dir.display()))? {
            return Ok(());
        }
        fs::create_dir_all(dir).with_context(|| format!("making the folder {}", dir.display()))?;
        for name in names {
            let file = dir.join(name);
            create(dir, &file).with_context(|| format!("making the secret {}", file.display()))?;
        }
        Ok(())
    }

    /// Where the secret lies, for the hint to keep a copy of it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Wraps the subjects' keys.
    pub fn wrapping_key(&self) -> Key {
        self.derive("subject keys")
    }

    /// Makes blind indices of phone and identity numbers.
    pub fn blind_index_key(&self) -> Key {
        self.derive("blind index")
    }

    /// Makes fingerprints of commands.
    pub fn fingerprint_key(&self) -> Key {
        self.derive("command fingerprints")
    }

    pub fn fingerprinter(&self) -> Fingerprinter {
        Fingerprinter::new(*self.fingerprint_key().expose_secret())
    }

    /// The seed of the Ed25519 key that signs tokens.
    pub fn token_seed(&self) -> Key {
        self.derive("token signing")
    }

    /// Makes the digest of the first administrator's code.
    pub fn administrator_code_key(&self) -> Key {
        self.derive("administrator code")
    }

    /// A name that is always the same for the same thing, and leads back to it only for whoever has the root: for records that
    /// must not say what they come from.
    pub fn pseudonym(&self, label: &str, of: &str) -> String {
        let key = self.derive(label);
        let mut mac = <Hmac<Sha256>>::new_from_slice(key.expose_secret()).expect("HMAC takes a key of any length");
        mac.update(of.as_bytes());
        hex(&mac.finalize().into_bytes()[..16])
    }

    /// A key of its own for each label. The step "expand" of HKDF for one block; the root is uniformly random, so "extract"
    /// has nothing to do.
    pub fn derive(&self, label: &str) -> Key {
        let mut mac =
            <Hmac<Sha256>>::new_from_slice(self.root.expose_secret()).expect("HMAC takes a key of any length");
        mac.update(b"mifeng/1/");
        mac.update(label.as_bytes());
        mac.update(&[1]);
        SecretBox::new(Box::new(mac.finalize().into_bytes().into()))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(redacted)")
    }
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("asking the operating system for random bytes")?;
    Ok(bytes)
}

/// Two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes a file of mode 0600 and puts it in its place whole. Returns false where `replace` is not wanted and the place is
/// taken: of two processes that start at once, both go on with the first one's file.
pub(crate) fn write_whole(dir: &Path, file: &Path, content: &[u8], replace: bool) -> io::Result<bool> {
    let suffix: [u8; 8] = random().map_err(io::Error::other)?;
    let draft = file.with_extension(format!("{}.draft", hex(&suffix)));
    let outcome = (|| {
        let mut handle = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        handle.write_all(content)?;
        handle.sync_all()?;
        if replace {
            fs::rename(&draft, file)?;
            return Ok(true);
        }
        match fs::hard_link(&draft, file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    })();
    if !matches!(outcome, Ok(true)) || !replace {
        fs::remove_file(&draft).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    fs::File::open(dir)?.sync_all()?;
    outcome
}

fn create(dir: &Path, file: &Path) -> anyhow::Result<()> {
    let mut root: [u8; LENGTH] = random()?;
    let written = write_whole(dir, file, &root, false);
    secrecy::zeroize::Zeroize::zeroize(&mut root);
    written?;
    Ok(())
}

fn parse(content: &[u8]) -> Option<Key> {
    if let Ok(root) = <[u8; LENGTH]>::try_from(content) {
        return Some(SecretBox::new(Box::new(root)));
    }
    let digits = content.trim_ascii();
    if digits.len() != 2 * LENGTH {
        return None;
    }
    let mut root = Box::new([0; LENGTH]);
    for (byte, pair) in root.iter_mut().zip(digits.chunks(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(SecretBox::new(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &Secrets) -> Vec<[u8; 32]> {
        [
            secrets.wrapping_key(),
            secrets.blind_index_key(),
            secrets.fingerprint_key(),
            secrets.token_seed(),
            secrets.administrator_code_key(),
        ]
        .iter()
        .map(|key| *key.expose_secret())
        .collect()
    }

    #[test]
    fn the_first_start_makes_a_secret_and_the_next_one_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Secrets::open_or_create(&dir.path().join("data")).unwrap();
        let second = Secrets::open_or_create(&dir.path().join("data")).unwrap();
        assert_eq!(keys(&first), keys(&second));
        let mode = fs::metadata(first.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_secret_beside_is_made_with_the_first_one_and_never_later() {
        let (new, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Secrets::create_beside(new.path(), &["other.secret"]).unwrap();
        let first = Secrets::open_or_create(new.path()).unwrap();
        let beside = first.beside("other.secret").unwrap().unwrap();
        assert_ne!(beside.expose_secret(), first.root.expose_secret());
        Secrets::create_beside(new.path(), &["other.secret"]).unwrap();
        let again = first.beside("other.secret").unwrap().unwrap();
        assert_eq!(beside.expose_secret(), again.expose_secret());
        let secrets = Secrets::open_or_create(old.path()).unwrap();
        Secrets::create_beside(old.path(), &["other.secret"]).unwrap();
        assert!(secrets.beside("other.secret").unwrap().is_none(), "it went on without one");
    }

    #[test]
    fn ten_processes_that_start_at_once_share_one_secret() {
        let dir = tempfile::tempdir().unwrap();
        let made: Vec<Vec<[u8; 32]>> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..10).map(|_| scope.spawn(|| keys(&Secrets::open_or_create(dir.path()).unwrap()))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(made.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn each_label_gives_another_key_and_each_installation_other_keys() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut all = keys(&Secrets::open_or_create(one.path()).unwrap());
        all.extend(keys(&Secrets::open_or_create(other.path()).unwrap()));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_mounted_secret_may_be_bytes_or_hexadecimal_digits() {
        let dir = tempfile::tempdir().unwrap();
        let (bytes, digits) = (dir.path().join("bytes"), dir.path().join("digits"));
        fs::write(&bytes, [0xab; 32]).unwrap();
        fs::write(&digits, format!("{}\n", "aB".repeat(32))).unwrap();
        let (bytes, digits) = (Secrets::from_file(&bytes).unwrap(), Secrets::from_file(&digits).unwrap());
        assert_eq!(keys(&bytes), keys(&digits));
    }

    #[test]
    fn a_secret_of_another_length_or_a_missing_one_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("short");
        fs::write(&file, [1; 31]).unwrap();
        let error = format!("{:#}", Secrets::from_file(&file).unwrap_err());
        assert!(error.contains("has 31 bytes") && error.contains("openssl rand"), "{error}");
        fs::write(&file, "zz".repeat(32)).unwrap();
        assert!(Secrets::from_file(&file).is_err());
        let error = format!("{:#}", Secrets::from_file(&dir.path().join("none")).unwrap_err());
        assert!(error.contains("does the file exist"), "{error}");
    }

    #[test]
    fn debug_shows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open_or_create(dir.path()).unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets(redacted)");
        assert!(format!("{:?}", secrets.wrapping_key()).contains("REDACTED"));
    }
}
