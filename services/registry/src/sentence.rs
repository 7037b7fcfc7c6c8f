//! What is wrong and what to do about it, for the person at the desk, in both languages. Sentences name rows and columns,
//! never what stands in them: they travel in errors, and errors are copied everywhere.

use std::borrow::Cow;

/// One sentence, twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    pub zh: Cow<'static, str>,
    pub en: Cow<'static, str>,
}

impl Sentence {
    pub const fn new(zh: &'static str, en: &'static str) -> Self {
        Self { zh: Cow::Borrowed(zh), en: Cow::Borrowed(en) }
    }

    pub fn made(zh: String, en: String) -> Self {
        Self { zh: Cow::Owned(zh), en: Cow::Owned(en) }
    }
}
