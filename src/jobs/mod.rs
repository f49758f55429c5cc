//! Background work: queue, handle, progress, cancel. Knows nothing about models.
