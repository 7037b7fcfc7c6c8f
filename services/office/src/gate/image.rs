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
