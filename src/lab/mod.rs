//! What makes known cases for validation: implants, training, sample cases. For isolated, authorised use; everything
//! it makes carries metadata that says so.
