//! The columns of the workbooks that people hand in. Columns are found by their headings, in any order and under the names
//! that offices give them.

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
    DocumentKind,
    Document,
    Phones,
    Neighbourhood,
    Code,
    Grid,
    Group,
    Regime,
    RegimeFrom,
    Units,
    Gate,
}

/// What the rows of a sheet are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Residents,
    Neighbourhoods,
    Grids,
    Compounds,
    Buildings,
    Gates,
}

pub const COMPOUND: &str = "小区";
pub const BUILDING: &str = "幢";
pub const UNIT: &str = "单元";
pub const ROOM: &str = "室";
pub const TENURE: &str = "性质";
pub const LANDLORD_NAME: &str = "房东姓名";
pub const LANDLORD_PHONE: &str = "房东电话";
pub const NAME: &str = "姓名";
pub const DOCUMENT_KIND: &str = "证件类型";
pub const DOCUMENT: &str = "证件号码";
pub const PHONES: &str = "手机号码";

/// Those that every workbook of residents has had, in their usual order.
#[cfg(test)]
pub const HEADINGS: [&str; 10] =
    [COMPOUND, BUILDING, UNIT, ROOM, TENURE, LANDLORD_NAME, LANDLORD_PHONE, NAME, DOCUMENT, PHONES];

/// What stands under 性质.
pub const OWNED: &str = "自住";
pub const RENTED: &str = "租住";

/// What stands under 证件类型.
pub const DOCUMENT_KINDS: [&str; 4] = ["身份证", "居住证", "护照", "无"];

/// What stands under 管控.
pub const REGIMES: [&str; 3] = ["开放", "封闭", "封控"];

/// The heading of the last column in a workbook of refused rows. Not read when it is handed in again.
pub const REASON: &str = "退回原因";

impl Kind {
    /// The sheets of a workbook of places, in the order in which they are taken: what stands on others comes after them.
    pub const PLACES: [Self; 5] = [Self::Neighbourhoods, Self::Grids, Self::Compounds, Self::Buildings, Self::Gates];

    /// What the sheet is called.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Residents => "住户",
            Self::Neighbourhoods => "社区",
            Self::Grids => "网格",
            Self::Compounds => "小区",
            Self::Buildings => "楼幢",
            Self::Gates => "门岗",
        }
    }

    /// Its columns in their usual order.
    pub const fn columns(self) -> &'static [Column] {
        use Column as C;
        match self {
            Self::Residents => &[
                C::Compound,
                C::Building,
                C::Unit,
                C::Room,
                C::Tenure,
                C::LandlordName,
                C::LandlordPhone,
                C::Name,
                C::DocumentKind,
                C::Document,
                C::Phones,
            ],
            Self::Neighbourhoods => &[C::Neighbourhood, C::Code],
            Self::Grids => &[C::Neighbourhood, C::Grid],
            Self::Compounds => &[C::Neighbourhood, C::Compound, C::Grid, C::Group, C::Regime, C::RegimeFrom],
            Self::Buildings => &[C::Neighbourhood, C::Compound, C::Building, C::Units, C::Grid],
            Self::Gates => &[C::Neighbourhood, C::Compound, C::Gate],
        }
    }

    /// A sheet without one of these has lost it, or calls it by a name that nobody knows here.
    pub(crate) const fn required(self) -> &'static [Column] {
        use Column as C;
        match self {
            Self::Residents => &[C::Compound, C::Building, C::Room, C::Tenure, C::Name, C::Document, C::Phones],
            Self::Neighbourhoods => &[C::Neighbourhood, C::Code],
            Self::Grids => &[C::Grid],
            Self::Compounds => &[C::Compound],
            Self::Buildings => &[C::Compound, C::Building],
            Self::Gates => &[C::Compound, C::Gate],
        }
    }

    /// The columns that say where a row belongs: a cell merged over several rows holds for all of them.
    pub(crate) const fn shared(self) -> &'static [Column] {
        use Column as C;
        match self {
            Self::Residents => {
                &[C::Compound, C::Building, C::Unit, C::Room, C::Tenure, C::LandlordName, C::LandlordPhone]
            }
            Self::Neighbourhoods => &[],
            Self::Grids | Self::Compounds => &[C::Neighbourhood, C::Grid, C::Group],
            Self::Buildings | Self::Gates => &[C::Neighbourhood, C::Compound, C::Grid],
        }
    }

    /// How many columns a row must call by name to be the heading.
    pub(crate) const fn known_in_heading(self) -> usize {
        match self {
            Self::Residents => 3,
            _ => self.required().len(),
        }
    }

    /// The sheet of a workbook of places that is called so.
    pub(crate) fn of_title(title: &str) -> Option<Self> {
        let compact = typing::compact(title);
        let plain = compact.strip_suffix('表').unwrap_or(&compact);
        match plain {
            "楼栋" | "幢" | "建筑" => Some(Self::Buildings),
            "门岗" | "大门" | "卡口" => Some(Self::Gates),
            _ => Self::PLACES.into_iter().find(|kind| kind.title() == plain),
        }
    }

    /// The column that a heading means here; marks such as * and notes in brackets do not matter.
    pub(crate) fn column(self, heading: &str) -> Option<Column> {
        let compact = typing::compact(heading);
        let plain = compact.split(['(', '（', '[', '【', ':']).next().unwrap_or_default().trim_matches('*');
        let columns = self.columns().iter().copied();
        columns.into_iter().find(|column| column.heading() == plain || column.also().contains(&plain))
    }
}

impl Column {
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Compound => COMPOUND,
            Self::Building => BUILDING,
            Self::Unit => UNIT,
            Self::Room => ROOM,
            Self::Tenure => TENURE,
            Self::LandlordName => LANDLORD_NAME,
            Self::LandlordPhone => LANDLORD_PHONE,
            Self::Name => NAME,
            Self::DocumentKind => DOCUMENT_KIND,
            Self::Document => DOCUMENT,
            Self::Phones => PHONES,
            Self::Neighbourhood => "社区",
            Self::Code => "统计代码",
            Self::Grid => "网格",
            Self::Group => "管理组",
            Self::Regime => "管控",
            Self::RegimeFrom => "管控起始日",
            Self::Units => "单元数",
            Self::Gate => "门岗",
        }
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
            Self::DocumentKind => &["证件种类", "证件类别"],
            Self::Document => &["证件号", "身份证", "身份证号", "身份证号码", "身份证件号码"],
            Self::Phones => &["手机", "手机号", "电话", "联系电话", "电话号码", "本人电话"],
            Self::Neighbourhood => &["社区名称", "所在社区", "所属社区"],
            Self::Code => &["代码", "区划代码", "统计用区划代码", "社区代码"],
            Self::Grid => &["网格名称", "所属网格"],
            Self::Group => &["管理组名称", "合并管理", "统一管理"],
            Self::Regime => &["管控方式", "管控状态", "封闭管理"],
            Self::RegimeFrom => &["起始日", "起始日期", "管控起始日期", "管控日期"],
            Self::Units => &["单元个数"],
            Self::Gate => &["门岗名称", "大门", "卡口"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_known_by_the_names_that_offices_give_them() {
        let column = |heading| Kind::Residents.column(heading);
        assert_eq!(column("身份证号码（必填）"), Some(Column::Document));
        assert_eq!(column("姓　名*"), Some(Column::Name));
        assert_eq!(column("手机\n号码"), Some(Column::Phones));
        assert_eq!(column("备注"), None);
        assert_eq!(column(REASON), None);
    }

    #[test]
    fn every_sheet_knows_its_own_headings_and_its_title() {
        for kind in Kind::PLACES.into_iter().chain([Kind::Residents]) {
            for column in kind.columns() {
                assert_eq!(kind.column(column.heading()), Some(*column));
            }
            assert!(kind.required().iter().all(|column| kind.columns().contains(column)));
        }
        for kind in Kind::PLACES {
            assert_eq!(Kind::of_title(kind.title()), Some(kind));
        }
        assert_eq!(Kind::of_title("小 区 表"), Some(Kind::Compounds));
        assert_eq!(Kind::of_title("Sheet1"), None);
    }
}
