//! The 256 colours of terminals, made readable on both backgrounds, as a stylesheet. A colour that is too faint on one
//! of them is moved towards black or white until it has the contrast that accessibility guidelines ask for.

use std::fmt::Write as _;

/// Background of a log by day and by night, as in the tokens of `airlock.css`.
const DAY: Rgb = (0xfb, 0xfc, 0xfc);
const NIGHT: Rgb = (0x0b, 0x0d, 0x0f);

/// WCAG AA for text.
const CONTRAST: f64 = 4.5;

/// The sixteen colours that programs name, by day and by night.
const BASIC: [Rgb; 16] = [
    (0x1c, 0x20, 0x24),
    (0xb3, 0x26, 0x1e),
    (0x14, 0x7a, 0x3d),
    (0x8f, 0x5a, 0x00),
    (0x1d, 0x5f, 0xc4),
    (0x8a, 0x3f, 0xa8),
    (0x0b, 0x6e, 0x69),
    (0xb8, 0xc0, 0xc6),
    (0x66, 0x71, 0x7a),
    (0xff, 0x7a, 0x70),
    (0x4c, 0xc2, 0x7a),
    (0xf0, 0xb4, 0x54),
    (0x78, 0xae, 0xfc),
    (0xd0, 0x8c, 0xec),
    (0x4f, 0xc4, 0xbb),
    (0xff, 0xff, 0xff),
];

/// Steps of a channel in the cube of 6 × 6 × 6 colours.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

type Rgb = (u8, u8, u8);

/// The number of 30–37 and 90–97.
pub(super) fn basic(code: u16) -> u8 {
    let number = if code >= 90 { code - 90 + 8 } else { code - 30 };
    u8::try_from(number).unwrap_or(7)
}

/// The colour of the cube or the greys that is nearest.
pub(super) fn nearest(red: u8, green: u8, blue: u8) -> u8 {
    let distance = |colour: Rgb| {
        let part = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        part(colour.0, red) + part(colour.1, green) + part(colour.2, blue)
    };
    (16..=255)
        .min_by_key(|number| distance(colour(*number)))
        .unwrap_or(16)
}

fn colour(number: u8) -> Rgb {
    match number {
        0..16 => BASIC[usize::from(number)],
        16..232 => {
            let place = number - 16;
            let level = |index: u8| LEVELS[usize::from(index % 6)];
            (level(place / 36), level(place / 6), level(place))
        }
        232.. => {
            let grey = 8 + (number - 232) * 10;
            (grey, grey, grey)
        }
    }
}

fn luminance((red, green, blue): Rgb) -> f64 {
    let linear = |channel: u8| {
        let part = f64::from(channel) / 255.0;
        if part <= 0.040_45 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
    (one / other).max(other / one)
}

/// The colour, moved towards `end` as little as makes it readable on `ground`.
fn readable(colour: Rgb, ground: Rgb, end: u8) -> Rgb {
    let mix = |share: u16| {
        let part = |channel: u8| {
            let mixed = (u16::from(channel) * (20 - share) + u16::from(end) * share) / 20;
            u8::try_from(mixed).unwrap_or(end)
        };
        (part(colour.0), part(colour.1), part(colour.2))
    };
    (0..=20)
        .map(mix)
        .find(|mixed| contrast(*mixed, ground) >= CONTRAST)
        .unwrap_or((end, end, end))
}

/// The classes of styled output: `f0`–`f255` for text, `b0`–`b255` for what is behind it, and the flags.
pub(crate) fn stylesheet() -> String {
    let mut sheet = String::from(
        ".tb{font-weight:700}.td{opacity:.7}.ti{font-style:italic}.tu{text-decoration:underline}\
         .ts{text-decoration:line-through}.tu.ts{text-decoration:underline line-through}\
         .tr{background:var(--text);color:var(--log)}\n",
    );
    for number in 0..=255 {
        let (day, night) = (
            readable(colour(number), DAY, 0),
            readable(colour(number), NIGHT, 255),
        );
        let _infallible = writeln!(
            sheet,
            ".f{number}{{color:light-dark({},{})}}",
            hex(day),
            hex(night)
        );
    }
    // After the text colours: whatever was chosen with it, text on a coloured ground stays readable.
    for number in 0..=255 {
        let ground = colour(number);
        let text = if luminance(ground) > 0.179 { "#000" } else { "#fff" };
        let _infallible = writeln!(sheet, ".b{number}{{background:{};color:{text}}}", hex(ground));
    }
    sheet
}

fn hex((red, green, blue): Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_can_be_read_by_day_and_by_night() {
        for number in 0..=255 {
            let colour = colour(number);
            assert!(
                contrast(readable(colour, DAY, 0), DAY) >= CONTRAST,
                "{number} by day"
            );
            assert!(
                contrast(readable(colour, NIGHT, 255), NIGHT) >= CONTRAST,
                "{number} by night"
            );
            let ground = luminance(colour) > 0.179;
            let text = if ground { (0, 0, 0) } else { (255, 255, 255) };
            assert!(contrast(text, colour) >= CONTRAST, "text on {number}");
        }
        // As they are, many cannot.
        assert!((0..=255).any(|number| contrast(colour(number), DAY) < CONTRAST));
    }

    #[test]
    fn true_colours_find_their_neighbour() {
        assert_eq!(nearest(255, 0, 0), 196);
        assert_eq!(nearest(0, 0, 0), 16);
        assert_eq!(nearest(127, 127, 127), 244);
        assert_eq!(nearest(250, 250, 250), 231);
    }

    #[test]
    fn the_sheet_has_a_rule_for_every_class() {
        let sheet = stylesheet();
        for class in [".f0{", ".f255{", ".b0{", ".b255{", ".tr{"] {
            assert!(sheet.contains(class), "{class}");
        }
    }
}
