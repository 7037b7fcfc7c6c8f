//! The code in a picture: of a camera, a phone, a scan.

use std::path::Path;

use anyhow::{Context as _, bail};
use image::{DynamicImage, GrayImage, ImageReader, Limits};

/// Pixels on a side, and bytes, that a picture of a pass may have: more is no picture of a pass.
const SIDE: u32 = 12_000;
const BYTES: u64 = 512 << 20;

/// The text of the one QR code that can be read.
pub(super) fn code_in(path: &Path) -> anyhow::Result<String> {
    let opening = || format!("opening the picture {}", path.display());
    let mut reader = ImageReader::open(path).with_context(opening)?.with_guessed_format().with_context(opening)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE);
    limits.max_image_height = Some(SIDE);
    limits.max_alloc = Some(BYTES);
    reader.limits(limits);
    let picture = reader.decode().with_context(opening)?;
    // Once as it is, once smaller (a large picture is noisy), once stretched from its darkest to its lightest.
    let gray = picture.to_luma8();
    let smaller = smaller(&picture);
    let tries = [Some(gray.clone()), smaller, Some(stretched(gray))];
    match tries.into_iter().flatten().find_map(read) {
        Some(text) => Ok(text),
        None => bail!("no QR code can be read in {}: hold it flat, closer and in the light", path.display()),
    }
}

fn read(gray: GrayImage) -> Option<String> {
    let (width, height) = (usize::try_from(gray.width()).ok()?, usize::try_from(gray.height()).ok()?);
    let light = gray.into_raw();
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| light[y * width + x]);
    prepared.detect_grids().iter().find_map(|grid| grid.decode().ok()).map(|(_, text)| text)
}

fn smaller(picture: &DynamicImage) -> Option<GrayImage> {
    const ENOUGH: u32 = 1_000;
    let large = picture.width().max(picture.height()) > ENOUGH;
    large.then(|| picture.thumbnail(ENOUGH, ENOUGH).to_luma8())
}

fn stretched(mut gray: GrayImage) -> GrayImage {
    let (least, most) = gray.iter().fold((u8::MAX, 0), |(least, most), light| (least.min(*light), most.max(*light)));
    let span = u32::from(most.saturating_sub(least)).max(1);
    for light in gray.iter_mut() {
        let above = u32::from(light.saturating_sub(least));
        *light = u8::try_from(above * 255 / span).unwrap_or(u8::MAX);
    }
    gray
}

#[cfg(test)]
mod tests {
    use fast_qr::{ECL, QRBuilder};
    use tempfile::TempDir;

    use super::*;

    /// A code as a camera sees it: gray on gray, with a margin, `dark` and `light` from 0 to 255.
    fn picture(text: &str, pixels: u32, dark: u8, light: u8) -> GrayImage {
        const MARGIN: u32 = 4;
        let code = QRBuilder::new(text).ecl(ECL::M).build().unwrap();
        let modules = u32::try_from(code.size).unwrap();
        let side = (modules + 2 * MARGIN) * pixels;
        GrayImage::from_fn(side, side, |x, y| {
            let (column, row) = (x / pixels, y / pixels);
            let inside = |at: u32| (MARGIN..modules + MARGIN).contains(&at);
            let module = |at: u32| usize::try_from(at - MARGIN).unwrap();
            let is_dark = inside(column) && inside(row) && code[module(row)][module(column)].value();
            image::Luma([if is_dark { dark } else { light }])
        })
    }

    #[test]
    fn the_code_of_a_pass_is_read_from_a_picture_also_where_there_is_little_light() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("photo.png");
        let text = format!("MF1:{}", "A 0".repeat(50));
        for (pixels, dark, light) in [(3, 0, 255), (8, 90, 130), (30, 20, 60)] {
            picture(&text, pixels, dark, light).save(&path).unwrap();
            assert_eq!(code_in(&path).unwrap(), text, "{pixels} pixels a module, {dark} on {light}");
        }
    }

    #[test]
    fn a_picture_without_a_code_and_a_file_that_is_none_say_so() {
        let folder = TempDir::new().unwrap();
        let (blank, text) = (folder.path().join("blank.png"), folder.path().join("text.png"));
        GrayImage::from_pixel(80, 80, image::Luma([200])).save(&blank).unwrap();
        std::fs::write(&text, "no picture").unwrap();
        assert!(code_in(&blank).unwrap_err().to_string().contains("no QR code"));
        assert!(code_in(&text).unwrap_err().to_string().contains("opening the picture"));
    }
}
