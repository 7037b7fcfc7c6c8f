//! One row into a resident and a room. Everything that is wrong with a row is said at once.

use chrono::NaiveDate;
use proto::registry::v1::{IdentityDocument, Landlord, Person, Refusal, Tenure, identity_document::Kind};

use super::{
    Column, Place, Refused, Sheet, Warning,
    sheet::{Cell, Row},
    template::EXAMPLE,
};
use crate::{
    identity::{self, Doubt, Fault},
    person, phone, place,
    sentence::Sentence,
    typing,
};

/// A row that is right in itself.
pub(super) struct Entry {
    pub(super) row: u32,
    pub(super) place: Place,
    /// Families fill it in once.
    pub(super) tenure: Option<Tenure>,
    pub(super) landlord: Option<Landlord>,
    pub(super) person: Person,
}

pub(super) fn read(sheet: &Sheet, row: &Row, today: NaiveDate) -> Result<(Entry, Option<Warning>), Refused> {
    let mut reader = Reader { sheet, row, troubles: Vec::new() };
    if reader.text(Column::Compound).starts_with(EXAMPLE) {
        reader.refuse(Column::Compound, CHANGED_EXAMPLE);
    }
    let place = Place {
        compound: reader.required(Column::Compound),
        building: place::building(&reader.required(Column::Building)),
        unit: place::unit(&reader.text(Column::Unit)),
        room: place::room(&reader.required(Column::Room)),
    };
    reader.short(Column::Building, &place.building);
    reader.short(Column::Unit, &place.unit);
    reader.short(Column::Room, &place.room);
    let tenure = reader.tenure();
    let landlord = reader.landlord();
    let full_name = reader.name();
    let (document, doubt) = reader.document(today);
    let phones = reader.phones(Column::Phones);
    if !reader.troubles.is_empty() {
        let reason = chassis::reason(Refusal::FieldInvalid.as_str_name());
        return Err(Refused { sheet: String::new(), row: row.number, reason, troubles: reader.troubles });
    }
    let warning = doubt.map(|doubt| Warning {
        sheet: String::new(),
        row: row.number,
        column: Some(Column::Document),
        sentence: doubt.sentence(),
    });
    let person = Person { full_name, phones, document: Some(document) };
    Ok((Entry { row: row.number, place, tenure, landlord, person }, warning))
}

struct Reader<'a> {
    sheet: &'a Sheet,
    row: &'a Row,
    troubles: Vec<(Option<Column>, Sentence)>,
}

impl Reader<'_> {
    fn refuse(&mut self, column: Column, sentence: Sentence) {
        if !self.troubles.iter().any(|(known, _)| *known == Some(column)) {
            self.troubles.push((Some(column), sentence));
        }
    }

    fn text(&mut self, column: Column) -> String {
        match self.sheet.cell(self.row, column) {
            Some(Cell::Date(_)) => {
                self.refuse(column, DATE);
                String::new()
            }
            Some(cell) if matches!(column, Column::Building | Column::Unit) && cell.may_be_a_day() => {
                self.refuse(column, DATE);
                String::new()
            }
            Some(Cell::Formula) => {
                self.refuse(column, FORMULA);
                String::new()
            }
            Some(Cell::Error) => {
                self.refuse(column, ERROR);
                String::new()
            }
            Some(cell) => cell.text(),
            None => String::new(),
        }
    }

    fn required(&mut self, column: Column) -> String {
        let text = self.text(column);
        if text.is_empty() {
            self.refuse(column, BLANK);
        }
        text
    }

    fn short(&mut self, column: Column, text: &str) {
        if text.chars().count() > place::LONGEST {
            self.refuse(column, LONG);
        }
    }

    fn tenure(&mut self) -> Option<Tenure> {
        match typing::compact(&self.text(Column::Tenure)).as_str() {
            "" => None,
            "自住" | "自有" | "业主" | "自" | "自住房" | "业主自住" => Some(Tenure::Owned),
            "租住" | "出租" | "租赁" | "租" | "租房" | "租户" | "出租房" => Some(Tenure::Rented),
            _ => {
                self.refuse(Column::Tenure, TENURE);
                None
            }
        }
    }

    fn landlord(&mut self) -> Option<Landlord> {
        let full_name = typing::name(&self.text(Column::LandlordName));
        let phone = self.phones(Column::LandlordPhone).into_iter().next().unwrap_or_default();
        if !full_name.is_empty() && !person::name_is_legible(&full_name) {
            self.refuse(Column::LandlordName, person::NAME);
        }
        if full_name.is_empty() && !phone.is_empty() {
            self.refuse(Column::LandlordName, BLANK);
        }
        (!full_name.is_empty()).then_some(Landlord { full_name, phone })
    }

    fn name(&mut self) -> String {
        let name = typing::name(&self.required(Column::Name));
        if !name.is_empty() && !person::name_is_legible(&name) {
            self.refuse(Column::Name, person::NAME);
        }
        name
    }

    fn document(&mut self, today: NaiveDate) -> (IdentityDocument, Option<Doubt>) {
        let cut = self.sheet.cell(self.row, Column::Document).is_some_and(Cell::cut);
        let text = self.text(Column::Document);
        let kind = self.document_kind();
        let known = match kind {
            _ if cut => Err(Fault::CutByExcel),
            // Who writes that there is none may write it in the other column, too.
            Some(Kind::None) | None => identity::recognise(&text, today),
            Some(_) if text.contains("E+") => Err(Fault::CutByExcel),
            Some(kind) => identity::check(&IdentityDocument { kind: kind.into(), number: text }, today),
        };
        match known {
            Ok((document, _)) if kind == Some(Kind::None) && document.kind() != Kind::None => {
                self.refuse(Column::Document, Fault::Unexpected.sentence());
                (IdentityDocument::default(), None)
            }
            Ok(document) => document,
            Err(fault) => {
                self.refuse(Column::Document, fault.sentence());
                (IdentityDocument::default(), None)
            }
        }
    }

    /// What the row says of it; the number shows it, too.
    fn document_kind(&mut self) -> Option<Kind> {
        let typed = typing::compact(&self.text(Column::DocumentKind));
        match typed.as_str() {
            "" => None,
            "身份证" | "居民身份证" | "二代身份证" => Some(Kind::IdCard),
            "居住证" | "港澳台居民居住证" | "港澳居民居住证" | "台湾居民居住证" => {
                Some(Kind::ResidencePermit)
            }
            "护照" => Some(Kind::Passport),
            "无" | "没有" | "暂无" => Some(Kind::None),
            _ => {
                self.refuse(Column::DocumentKind, DOCUMENT_KIND);
                None
            }
        }
    }

    fn phones(&mut self, column: Column) -> Vec<String> {
        let text = self.text(column);
        if text.to_uppercase().contains("E+") {
            self.refuse(column, SCIENTIFIC);
            return Vec::new();
        }
        match phone::several(&text) {
            Some(phones) if phones.len() <= person::MOST_PHONES => phones,
            Some(_) => {
                self.refuse(column, person::PHONES);
                Vec::new()
            }
            None => {
                self.refuse(column, phone::NOT_MOBILE);
                Vec::new()
            }
        }
    }
}

pub(super) const BLANK: Sentence = Sentence::new("没有填写：请补填", "is empty: fill it in");
const LONG: Sentence = Sentence::new("超过 20 个字：请只填编号", "is longer than 20 characters: give the number only");
const DATE: Sentence = Sentence::new(
    "被 Excel 当成了日期：请把该列设为“文本”后重新输入",
    "was turned into a date by Excel: format the column as text and type it again",
);
pub(super) const FORMULA: Sentence = Sentence::new(
    "是没有计算结果的公式：请复制该列，“选择性粘贴”为数值后再导入",
    "is a formula without a result: paste the column as values and import again",
);
const SCIENTIFIC: Sentence = Sentence::new(
    "被 Excel 写成了科学计数法，末几位已丢失：请把该列设为“文本”后重新输入",
    "was written as a power of ten by Excel and lost its last digits: format the column as text and type it again",
);
const DOCUMENT_KIND: Sentence = Sentence::new(
    "只能填“身份证”“居住证”“护照”或“无”",
    "must be 身份证 (identity card), 居住证 (residence permit), 护照 (passport) or 无 (none)",
);
const CHANGED_EXAMPLE: Sentence = Sentence::new(
    "这是模板的示例行，但被改过：请删去这一行，或填入真实的小区名称",
    "is the template's example row, and it was changed: remove the row, or name a real compound",
);
pub(super) const ERROR: Sentence = Sentence::new(
    "是 Excel 的错误值（如 #N/A）：请填入实际内容",
    "holds an Excel error such as #N/A: type what belongs there",
);
const TENURE: Sentence = Sentence::new("只能填“自住”或“租住”", "must be 自住 (owned) or 租住 (rented)");
