//! Which font shows Chinese characters: a PDF brings its font along, since not every printer has one.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use fontdb::{Database, Source};

/// The bytes of a font file, and which of its fonts it is.
pub(super) struct Font {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) index: u32,
}

/// Well drawn ones first.
const KNOWN: [&str; 9] = [
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "SimSun",
];

/// The font that was named, or the first of those we know that this machine has.
pub(super) fn find(named: Option<&Path>) -> anyhow::Result<Font> {
    let mut fonts = Database::new();
    if let Some(path) = named {
        let bytes = std::fs::read(path).with_context(|| format!("reading the font {}", path.display()))?;
        fonts.load_font_data(bytes);
        let Some(face) = fonts.faces().next() else { bail!("{} is no font that can be read", path.display()) };
        return loaded(&fonts, face.id);
    }
    fonts.load_system_fonts();
    let known = KNOWN.iter().find_map(|family| {
        fonts.query(&fontdb::Query { families: &[fontdb::Family::Name(family)], ..fontdb::Query::default() })
    });
    let Some(face) = known else {
        bail!(
            "this machine has no font with Chinese characters for a PDF: install one (as root: apt-get install \
             fonts-wqy-microhei), name a font file with --font, or write an .html file and print it from a browser"
        )
    };
    loaded(&fonts, face)
}

fn loaded(fonts: &Database, face: fontdb::ID) -> anyhow::Result<Font> {
    let (source, index) = fonts.face_source(face).context("a font without a source")?;
    let bytes = match source {
        Source::File(path) => std::fs::read(&path).with_context(|| format!("reading the font {}", path.display()))?,
        Source::Binary(bytes) | Source::SharedFile(_, bytes) => (*bytes).as_ref().to_vec(),
    };
    Ok(Font { bytes: Arc::new(bytes), index })
}
