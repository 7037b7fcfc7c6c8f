//! Personal data, sealed under a key per subject. The keys stand in a store of their own, wrapped by a key from the root
//! secret. Destroying a subject's key erases what was sealed under it everywhere: in the logs, in views, and in backups.
//!
//! Invariants: a key is durable before anything sealed under it leaves `seal`; a destroyed key leaves a tombstone, and no
//! other key is ever made for that subject; a key read before a destruction is never cached after it.

/// Unwrapped keys in memory, a bounded number of them.
mod cache;
/// The store of wrapped keys, with one writer.
mod store;

use std::{fmt, path::Path, sync::Arc};

use anyhow::{Context as _, anyhow};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac as _};
use prost::{Message, Name};
use proto::event::v1::Sealed;
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::Sha256;

use self::{
    cache::Cache,
    store::{Place, Store, Stored},
};
use crate::{
    Clock, Failure, Kind, Refusal,
    postgres::Database,
    secrets::{Key, Secrets, random},
};

const NONCE: usize = 24;

/// Seals and reveals. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    wrapping: Key,
    blind: Key,
    store: Store,
    cache: Cache,
}

impl Vault {
    /// Opens or makes the store of keys in a file. Fails where its keys were wrapped under another secret.
    pub async fn open(path: &Path, secrets: &Secrets, clock: Clock) -> anyhow::Result<Self> {
        let opening = || format!("opening the key store {}", path.display());
        Self::at(&Place::File(path.to_owned()), secrets, clock).await.with_context(opening)
    }

    /// Opens the store of keys in a database of its own.
    pub async fn in_database(database: &Database, secrets: &Secrets, clock: Clock) -> anyhow::Result<Self> {
        let opening = || format!("opening the key store {}", database.place());
        Self::at(&Place::Database(database.clone()), secrets, clock).await.with_context(opening)
    }

    async fn at(place: &Place, secrets: &Secrets, clock: Clock) -> anyhow::Result<Self> {
        let wrapping = secrets.wrapping_key();
        let store = Store::open(place, key_id(&wrapping), clock).await?;
        let inner = Inner { wrapping, blind: secrets.blind_index_key(), store, cache: Cache::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Seals a message for a subject, whose key is made where there is none. Refused with `SUBJECT_ERASED` after `destroy`.
    pub async fn seal<M: Message + Name>(&self, subject_id: &str, message: &M) -> Result<Sealed, Failure> {
        if subject_id.is_empty() {
            return Err(Failure::Fault(anyhow!("sealing needs the id of the subject whom the data is about")));
        }
        let key = match self.key(subject_id).await? {
            Some(key) => key,
            None => self.new_key(subject_id).await?,
        };
        let plain = SecretBox::new(message.encode_to_vec().into_boxed_slice());
        let (nonce, ciphertext) =
            encrypt(&key, plain.expose_secret(), &bound_to(subject_id, &M::full_name())).map_err(Failure::Fault)?;
        Ok(Sealed { subject_id: subject_id.to_owned(), nonce: nonce.to_vec(), ciphertext })
    }

    /// The message, or `None` where the subject was erased.
    pub async fn reveal<M: Message + Name + Default>(&self, sealed: &Sealed) -> Result<Option<M>, Failure> {
        let key = match self.key(&sealed.subject_id).await {
            Ok(Some(key)) => key,
            Ok(None) => {
                return Err(Failure::Fault(anyhow!(
                    "a sealed message has no key: the key store is older than the log"
                )));
            }
            Err(Failure::Refused(_)) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        open(&key, sealed, &M::full_name()).map(Some).map_err(Failure::Fault)
    }

    /// Looks for the keys of many at once: revealing what was sealed for them costs no further look within the next seconds.
    pub async fn foresee<'a>(&self, sealed: impl IntoIterator<Item = &'a Sealed>) -> Result<(), Failure> {
        let unknown = sealed.into_iter().filter(|sealed| self.inner.cache.get(&sealed.subject_id).is_none());
        let ids: Vec<String> = unknown.map(|sealed| sealed.subject_id.clone()).collect();
        let seen = self.inner.cache.destructions();
        let found = self.inner.store.find_many(&ids).await;
        for (subject_id, stored) in found.map_err(|error| error.context("reading subjects' keys"))? {
            // A key that does not unwrap is told to whoever reveals something with it, and keeps nobody else waiting.
            if let Stored::Wrapped(wrapped) = stored
                && let Ok(key) = self.unwrap_key(&subject_id, &wrapped)
            {
                self.inner.cache.keep(&subject_id, &Arc::new(key), seen);
            }
        }
        Ok(())
    }

    /// Erases a subject: destroys the key and keeps a tombstone, also where there was no key yet. Saying it twice is fine.
    pub async fn destroy(&self, subject_id: &str) -> Result<(), Failure> {
        if subject_id.is_empty() {
            return Err(Failure::Fault(anyhow!("erasing needs the id of the subject")));
        }
        let destroyed = self.inner.store.destroy(subject_id).await;
        self.inner.cache.forget(subject_id);
        destroyed.map_err(|error| error.context("destroying a subject's key").into())
    }

    /// An index entry by which an equal value is found again, and from which nobody without the secret finds the value.
    pub fn blind(&self, scope: &str, value: &str) -> [u8; 32] {
        let mut mac = <Hmac<Sha256>>::new_from_slice(self.inner.blind.expose_secret()).expect("HMAC takes any key");
        mac.update(&(scope.len() as u64).to_be_bytes());
        mac.update(scope.as_bytes());
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The subject's key; `None` where none was made yet; a refusal where it was destroyed.
    async fn key(&self, subject_id: &str) -> Result<Option<Arc<Key>>, Failure> {
        if let Some(key) = self.inner.cache.get(subject_id) {
            return Ok(Some(key));
        }
        let seen = self.inner.cache.destructions();
        let stored = self.inner.store.find(subject_id).await;
        match stored.map_err(|error| error.context("reading a subject's key"))? {
            Some(stored) => self.accept(subject_id, stored, seen).map(Some),
            None => Ok(None),
        }
    }

    async fn new_key(&self, subject_id: &str) -> Result<Arc<Key>, Failure> {
        let seen = self.inner.cache.destructions();
        let offered = self.wrap(subject_id).map_err(Failure::Fault)?;
        // Somebody else may have been faster: whatever stands in the store is the key.
        let stored = self.inner.store.keep(subject_id, offered).await;
        self.accept(subject_id, stored.map_err(|error| error.context("keeping a new subject's key"))?, seen)
    }

    fn accept(&self, subject_id: &str, stored: Stored, seen: u64) -> Result<Arc<Key>, Failure> {
        match stored {
            Stored::Wrapped(wrapped) => {
                let key = Arc::new(self.unwrap_key(subject_id, &wrapped).map_err(Failure::Fault)?);
                self.inner.cache.keep(subject_id, &key, seen);
                Ok(key)
            }
            Stored::Destroyed => {
                self.inner.cache.forget(subject_id);
                Err(Failure::Refused(erased()))
            }
        }
    }

    fn wrap(&self, subject_id: &str) -> anyhow::Result<Vec<u8>> {
        let key: Key = SecretBox::new(Box::new(random()?));
        let (nonce, ciphertext) = encrypt(&self.inner.wrapping, key.expose_secret(), &bound_to(subject_id, "key"))?;
        Ok([nonce.as_slice(), &ciphertext].concat())
    }

    fn unwrap_key(&self, subject_id: &str, wrapped: &[u8]) -> anyhow::Result<Key> {
        let (nonce, ciphertext) = wrapped.split_at_checked(NONCE).context("a wrapped key is too short")?;
        let key = decrypt(&self.inner.wrapping, nonce, ciphertext, &bound_to(subject_id, "key"))
            .context("a wrapped key was edited, belongs to another subject, or was wrapped under another secret")?;
        let key: &[u8; 32] = key.expose_secret().try_into().context("an unwrapped key has the wrong length")?;
        Ok(SecretBox::new(Box::new(*key)))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(redacted)")
    }
}

fn erased() -> Refusal {
    Refusal::new(
        Kind::Precondition,
        "SUBJECT_ERASED",
        "此人的资料已依法删除，不能再为其登记；如其重新入住，请作为新居民登记",
        "this person's data was erased and nothing more can be recorded for them; if they moved in again, register a new resident",
    )
}

/// What a ciphertext is bound to: it opens for this subject and as this message only.
fn bound_to(subject_id: &str, message: &str) -> Vec<u8> {
    let mut bound = (subject_id.len() as u64).to_be_bytes().to_vec();
    bound.extend_from_slice(subject_id.as_bytes());
    bound.extend_from_slice(message.as_bytes());
    bound
}

fn encrypt(key: &Key, msg: &[u8], aad: &[u8]) -> anyhow::Result<([u8; NONCE], Vec<u8>)> {
    let nonce: [u8; NONCE] = random()?;
    let ciphertext = XChaCha20Poly1305::new(&(*key.expose_secret()).into())
        .encrypt(&XNonce::from(nonce), Payload { msg, aad })
        .map_err(|_| anyhow!("a message is too long to be sealed"))?;
    Ok((nonce, ciphertext))
}

fn decrypt(key: &Key, nonce: &[u8], msg: &[u8], aad: &[u8]) -> anyhow::Result<SecretBox<[u8]>> {
    let nonce: [u8; NONCE] = nonce.try_into().context("a nonce must have 24 bytes")?;
    let plain = XChaCha20Poly1305::new(&(*key.expose_secret()).into())
        .decrypt(&XNonce::from(nonce), Payload { msg, aad })
        .map_err(|_| anyhow!("a ciphertext does not open under its key"))?;
    Ok(SecretBox::new(plain.into_boxed_slice()))
}

fn open<M: Message + Default>(key: &Key, sealed: &Sealed, name: &str) -> anyhow::Result<M> {
    let plain = decrypt(key, &sealed.nonce, &sealed.ciphertext, &bound_to(&sealed.subject_id, name))
        .with_context(|| format!("a sealed {name} was edited, is another message, or is another subject's"))?;
    // The decoder's error could quote what it read.
    M::decode(plain.expose_secret()).map_err(|_| anyhow!("a sealed {name} opened but is no such message"))
}

/// Names a wrapping key without telling anything about it.
fn key_id(key: &Key) -> String {
    let mut mac = <Hmac<Sha256>>::new_from_slice(key.expose_secret()).expect("HMAC takes any key");
    mac.update(b"key id");
    crate::secrets::hex(&mac.finalize().into_bytes()[..8])
}

#[cfg(test)]
mod tests;
