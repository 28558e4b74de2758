//! Pictures of pages, and how much two differ.

/// A picture in shades of grey.
pub struct Picture {
    width: usize,
    height: usize,
    grey: Vec<u8>,
}

impl Picture {
    /// Reads a PNG; what is transparent is white.
    ///
    /// # Panics
    /// When it is none with 8 bits a channel.
    #[must_use]
    pub fn from_png(octets: &[u8]) -> Self {
        let mut reader = png::Decoder::new(std::io::Cursor::new(octets)).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("pixels");
        assert_eq!(info.bit_depth, png::BitDepth::Eight);
        let grey = |pixel: &[u8]| {
            let (colours, alpha) = match pixel {
                [colours @ .., alpha] if pixel.len().is_multiple_of(2) => (colours, u32::from(*alpha)),
                colours => (colours, 255),
            };
            let mean = colours.iter().map(|&colour| u32::from(colour)).sum::<u32>()
                / u32::try_from(colours.len()).expect("few");
            u8::try_from((mean * alpha + 255 * (255 - alpha)) / 255).expect("a mean")
        };
        let (width, height) = (info.width as usize, info.height as usize);
        let grey = pixels[..info.buffer_size()].chunks_exact(info.color_type.samples()).map(grey).collect();
        Self { width, height, grey }
    }

    /// Pixels from left to right and from top to bottom.
    #[must_use]
    pub const fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The greatest difference between the mean shades of two squares of 16 pixels in the same place, of 255. Renderers round sizes and
    /// smooth edges differently, and what is there or not is larger than that.
    ///
    /// # Panics
    /// When the sizes differ by more than a pixel.
    #[must_use]
    pub fn difference(&self, other: &Self) -> f64 {
        let close = |one: usize, other: usize| one.abs_diff(other) <= 1;
        assert!(
            close(self.width, other.width) && close(self.height, other.height),
            "{:?} {:?}",
            self.size(),
            other.size()
        );
        let (columns, rows) = (self.width.min(other.width) / SQUARE, self.height.min(other.height) / SQUARE);
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column * SQUARE, row * SQUARE)));
        places.map(|place| (self.mean(place) - other.mean(place)).abs()).fold(0.0, f64::max)
    }

    fn mean(&self, (left, top): (usize, usize)) -> f64 {
        let rows = (top..top + SQUARE).map(|y| &self.grey[y * self.width + left..][..SQUARE]);
        let sum: u32 = rows.flatten().map(|&shade| u32::from(shade)).sum();
        f64::from(sum) / (SQUARE * SQUARE) as f64
    }
}

const SQUARE: usize = 16;
