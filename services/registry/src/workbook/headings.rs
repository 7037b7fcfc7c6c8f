//! The columns of a workbook of residents. Columns are found by their headings, in any order and under the names that
//! offices give them.

use crate::typing;

/// One column that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    Compound,
    Building,
    Unit,
    Room,
    Tenure,
    LandlordName,
    LandlordPhone,
    Name,
    Document,
    Phones,
}

pub const COMPOUND: &str = "小区";
pub const BUILDING: &str = "幢";
pub const UNIT: &str = "单元";
pub const ROOM: &str = "室";
pub const TENURE: &str = "性质";
pub const LANDLORD_NAME: &str = "房东姓名";
pub const LANDLORD_PHONE: &str = "房东电话";
pub const NAME: &str = "姓名";
pub const DOCUMENT: &str = "证件号码";
pub const PHONES: &str = "手机号码";

/// The headings in their usual order.
pub const HEADINGS: [&str; 10] =
    [COMPOUND, BUILDING, UNIT, ROOM, TENURE, LANDLORD_NAME, LANDLORD_PHONE, NAME, DOCUMENT, PHONES];

/// What stands under 性质.
pub const OWNED: &str = "自住";
pub const RENTED: &str = "租住";

/// The heading of the last column in a workbook of refused rows. Not read when it is handed in again.
pub const REASON: &str = "退回原因";

impl Column {
    pub const ALL: [Self; 10] = [
        Self::Compound,
        Self::Building,
        Self::Unit,
        Self::Room,
        Self::Tenure,
        Self::LandlordName,
        Self::LandlordPhone,
        Self::Name,
        Self::Document,
        Self::Phones,
    ];

    /// The columns that say something of the room: where cells are merged over several rows, it holds for all of them.
    pub(crate) const OF_THE_ROOM: [Self; 7] =
        [Self::Compound, Self::Building, Self::Unit, Self::Room, Self::Tenure, Self::LandlordName, Self::LandlordPhone];

    pub const fn heading(self) -> &'static str {
        HEADINGS[self as usize]
    }

    /// A sheet without one of the others has lost it, or calls it by a name that nobody knows here.
    pub(crate) const fn required(self) -> bool {
        !matches!(self, Self::Unit | Self::LandlordName | Self::LandlordPhone)
    }

    /// The column that a heading means; marks such as * and notes in brackets do not matter.
    pub(crate) fn of(heading: &str) -> Option<Self> {
        let compact = typing::compact(heading);
        let plain = compact.split(['(', '（', '[', '【', ':']).next().unwrap_or_default().trim_matches('*');
        Self::ALL.into_iter().find(|column| column.heading() == plain || column.also().contains(&plain))
    }

    const fn also(self) -> &'static [&'static str] {
        match self {
            Self::Compound => &["小区名称", "小区名", "所在小区"],
            Self::Building => &["幢号", "栋", "栋号", "楼栋", "楼幢", "楼号"],
            Self::Unit => &["单元号"],
            Self::Room => &["室号", "房号", "房间号", "房间", "门牌号"],
            Self::Tenure => &["住房性质", "居住性质", "房屋性质", "自住/租住", "自住或租住"],
            Self::LandlordName => &["房东", "房主姓名", "房主"],
            Self::LandlordPhone => &["房东手机", "房东手机号码", "房东联系电话", "房主电话"],
            Self::Name => &["住户姓名", "居民姓名", "姓名全称"],
            Self::Document => &["证件号", "身份证", "身份证号", "身份证号码", "身份证件号码"],
            Self::Phones => &["手机", "手机号", "电话", "联系电话", "电话号码", "本人电话"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_known_by_the_names_that_offices_give_them() {
        assert_eq!(Column::of("身份证号码（必填）"), Some(Column::Document));
        assert_eq!(Column::of("姓　名*"), Some(Column::Name));
        assert_eq!(Column::of("手机\n号码"), Some(Column::Phones));
        assert_eq!(Column::of("备注"), None);
        assert_eq!(Column::of(REASON), None);
        for column in Column::ALL {
            assert_eq!(Column::of(column.heading()), Some(column));
        }
    }
}
