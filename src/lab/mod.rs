//! Making known cases: drawn images, implants, training of small networks, the shipped sample cases. For isolated,
//! authorised validation only; everything it makes says so.

pub mod draw;
pub mod implant;
