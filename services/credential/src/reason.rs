/// Why a code, a key set or a list is refused. Each has one name, which the vectors and other verifiers use too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    #[error("not one of our codes")]
    NotOurs,
    #[error("not as long as it must be")]
    WrongLength,
    #[error("not written in the one way in which these bytes are written")]
    NotCanonical,
    #[error("no key of ours signed it")]
    UnknownKey,
    #[error("signed with an algorithm that this verifier does not know")]
    UnsupportedAlgorithm,
    #[error("signed by a key that is meant for something else")]
    WrongScope,
    #[error("the signature does not fit the content")]
    BadSignature,
    #[error("of a version that this verifier does not know")]
    UnknownVersion,
    #[error("of a kind that is unknown, or that is not expected here")]
    UnknownKind,
    #[error("a phone pass that poses as paper, or the other way round")]
    KindPosing,
    #[error("with a rule that this verifier does not know")]
    UnknownRule,
    #[error("with a flag that this verifier does not know")]
    UnknownFlag,
    #[error("signed, but with a field that says nothing")]
    Malformed,
    #[error("issued while its key was not in force")]
    KeyNotInForce,
    #[error("issued after its key had fallen into other hands")]
    CompromisedKey,
    #[error("not yet valid")]
    NotYetValid,
    #[error("expired")]
    Expired,
    #[error("a phone code with a slot beyond its day")]
    SlotRange,
    #[error("a phone code that was shown too long ago")]
    SlotTooOld,
    #[error("a phone code of a time to come")]
    SlotInFuture,
    #[error("a phone code that does not lead back to its pass")]
    ChainBroken,
    #[error("revoked")]
    Revoked,
    #[error("suspended")]
    Suspended,
    #[error("of a compound whose earlier passes no longer count")]
    CompoundBefore,
    #[error("numbered above what had been issued")]
    AboveHighWater,
    #[error("a change of a list that has not been reached yet")]
    SequenceGap,
    #[error("older than what is held already")]
    StepBack,
    #[error("a change of another list than the one that is held")]
    WrongBase,
    #[error("a key set older than the one that is pinned")]
    KeySetOlder,
    #[error("another key set under the same number")]
    KeySetConflict,
}

impl Reason {
    pub const ALL: [Self; 30] = [
        Self::NotOurs,
        Self::WrongLength,
        Self::NotCanonical,
        Self::UnknownKey,
        Self::UnsupportedAlgorithm,
        Self::WrongScope,
        Self::BadSignature,
        Self::UnknownVersion,
        Self::UnknownKind,
        Self::KindPosing,
        Self::UnknownRule,
        Self::UnknownFlag,
        Self::Malformed,
        Self::KeyNotInForce,
        Self::CompromisedKey,
        Self::NotYetValid,
        Self::Expired,
        Self::SlotRange,
        Self::SlotTooOld,
        Self::SlotInFuture,
        Self::ChainBroken,
        Self::Revoked,
        Self::Suspended,
        Self::CompoundBefore,
        Self::AboveHighWater,
        Self::SequenceGap,
        Self::StepBack,
        Self::WrongBase,
        Self::KeySetOlder,
        Self::KeySetConflict,
    ];

    /// As the vectors write it: `bad_signature`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// What a guard says, and what is to be done next.
    pub fn zh(self) -> &'static str {
        match self {
            Self::NotOurs | Self::WrongLength | Self::NotCanonical => {
                "这不是我们的出入证码，请出示本小区发的出入证，或报证号手工输入。"
            }
            Self::UnknownKey | Self::UnsupportedAlgorithm => {
                "这张码不是我们签发的，或门岗钥匙太旧：先更新钥匙再扫，仍不行请找社工。"
            }
            Self::WrongScope | Self::BadSignature | Self::KindPosing => "这张码是假的或被改过，不能放行，请叫社工来。",
            Self::UnknownVersion | Self::UnknownKind | Self::UnknownRule | Self::UnknownFlag | Self::Malformed => {
                "这张码比门岗程序新，请报证号手工输入，并更新门岗程序。"
            }
            Self::KeyNotInForce | Self::CompromisedKey => "签这张码的钥匙当时不作数，请到社区换一张出入证。",
            Self::NotYetValid => "出入证还没有到生效时间，请核对门岗时钟。",
            Self::Expired => "出入证过期了，请到社区续期。",
            Self::SlotRange | Self::SlotTooOld => "这是以前的截图，请现场打开手机上的出入证。",
            Self::SlotInFuture => "手机或门岗的时钟不对，请核对时间后再扫。",
            Self::ChainBroken => "手机码不对，请重新打开手机上的出入证，或用纸质出入证。",
            Self::Revoked => "这张出入证已经作废，不能放行，请联系社工。",
            Self::Suspended => "这张出入证暂停使用，请在这里等社工来。",
            Self::CompoundBefore => "本小区早先发的出入证已统一换发，请到社区换证。",
            Self::AboveHighWater => "没有发过这个号的出入证，不能放行，请叫社工来。",
            Self::SequenceGap | Self::WrongBase => "名单接不上，请取完整名单。",
            Self::StepBack => "这份名单比现有的旧，不用它。",
            Self::KeySetOlder | Self::KeySetConflict => "这份钥匙比现有的旧或不一致，不用它，请向中心要最新的。",
        }
    }

    /// The same in English.
    pub fn en(self) -> &'static str {
        match self {
            Self::NotOurs | Self::WrongLength | Self::NotCanonical => {
                "This is not one of our codes. Ask for the pass of this compound, or type its number."
            }
            Self::UnknownKey | Self::UnsupportedAlgorithm => {
                "We did not sign this, or the gate's keys are old. Fetch the newest keys and scan again; else call a worker."
            }
            Self::WrongScope | Self::BadSignature | Self::KindPosing => {
                "This code is forged or was changed. Do not let it pass; call a worker."
            }
            Self::UnknownVersion | Self::UnknownKind | Self::UnknownRule | Self::UnknownFlag | Self::Malformed => {
                "This code is newer than the gate's program. Type the pass number, and update the program."
            }
            Self::KeyNotInForce | Self::CompromisedKey => {
                "The key that signed this did not count at the time. The holder needs a new pass from the neighbourhood."
            }
            Self::NotYetValid => "The pass is not valid yet. Check the gate's clock.",
            Self::Expired => "The pass has expired. The neighbourhood renews it.",
            Self::SlotRange | Self::SlotTooOld => {
                "This is an old picture. Ask the holder to open the pass on the phone."
            }
            Self::SlotInFuture => "The phone's clock or the gate's is wrong. Set it and scan again.",
            Self::ChainBroken => "The phone code is wrong. Ask the holder to open the pass again, or for the paper.",
            Self::Revoked => "This pass was taken back. Do not let it pass; call a worker.",
            Self::Suspended => "This pass is suspended. Ask the holder to wait here for a worker.",
            Self::CompoundBefore => "Earlier passes of this compound were replaced. The holder needs the new one.",
            Self::AboveHighWater => "No pass with this number was issued. Do not let it pass; call a worker.",
            Self::SequenceGap | Self::WrongBase => {
                "The change does not fit the list that is held. Fetch the whole list."
            }
            Self::StepBack => "This list is older than the one that is held. It is not used.",
            Self::KeySetOlder | Self::KeySetConflict => {
                "This key set is older than the one that is held, or contradicts it. Ask the centre for the newest."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own_and_two_sentences() {
        let names: BTreeSet<String> = Reason::ALL.into_iter().map(Reason::name).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(names.contains("compound_before"));
        for reason in Reason::ALL {
            assert!(reason.zh().ends_with('。') && reason.en().ends_with('.'), "{reason:?}");
        }
    }
}
