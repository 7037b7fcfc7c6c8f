//! Pages of long lists. A page token names the key after which the next page begins; clients pass it back as it is.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tonic::Status;

use crate::{Kind, Refusal};

/// Rows of a page when the client does not say.
const DEFAULT: i64 = 100;
/// Rows of a page at most, whatever the client says.
const MOST: i64 = 1000;

/// Opens every token, so that a later form can be told from this one.
const FORM: &str = "1:";

/// How many rows a page has.
pub fn size(asked: i32) -> i64 {
    match i64::from(asked) {
        ..=0 => DEFAULT,
        asked => asked.min(MOST),
    }
}

/// The token of the page that begins after this key. Not sealed: whoever reads a list may know its keys, and the query
/// behind a token is bound to the caller's scope again.
pub fn token_after(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{FORM}{key}"))
}

/// The key after which the page begins; empty for the first page.
pub fn after(token: &str) -> Result<String, Status> {
    if token.is_empty() {
        return Ok(String::new());
    }
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.as_deref().and_then(|text| text.strip_prefix(FORM)).map(str::to_owned).ok_or_else(|| {
        Refusal::new(
            Kind::Invalid,
            "PAGE_TOKEN_INVALID",
            "翻页标记 page_token 无效：请原样使用上一页返回的 next_page_token，或留空从第一页开始",
            "the page_token is not one of ours: pass the last answer's next_page_token as it is, or none to start over",
        )
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_are_bounded() {
        assert_eq!([size(-5), size(0), size(7), size(1000), size(i32::MAX)], [100, 100, 7, 1000, 1000]);
    }

    #[test]
    fn the_first_page_needs_no_token_and_a_strangers_is_refused() {
        assert_eq!(after("").unwrap(), "");
        for foreign in ["x", "%%%", "Mjph"] {
            assert_eq!(after(foreign).unwrap_err().code(), tonic::Code::InvalidArgument, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn a_token_leads_back_to_its_key(key in ".*") {
            prop_assert_eq!(after(&token_after(&key)).unwrap(), key);
        }

        #[test]
        fn no_token_makes_it_stumble(token in ".*") {
            let _either = after(&token);
        }
    }
}
