//! Which errors mean that the file is damaged.

use rusqlite::ErrorCode;

use crate::error::StoreError;

/// An error that says: this file is damaged.
pub(super) fn damaged(reason: &str) -> StoreError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    StoreError::Sqlite(rusqlite::Error::SqliteFailure(code, Some(reason.to_owned())))
}

/// Whether an error means that the file is damaged, and not that the system refuses.
pub(super) fn is_damage(why: &StoreError) -> bool {
    let (StoreError::Sqlite(why) | StoreError::Database { source: why, .. }) = why else { return false };
    match why {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::Unknown
                    | ErrorCode::TypeMismatch
                    | ErrorCode::TooBig
            ) || matches!(
                // The file was opened for writing by then, so it is its header that forbids it.
                failure.extended_code,
                rusqlite::ffi::SQLITE_IOERR_SHORT_READ | rusqlite::ffi::SQLITE_READONLY
            )
        }
        // A table is missing or a column holds another type: somebody wrote over it.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}
