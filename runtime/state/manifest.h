// What a store on disk belongs to, in a file of its own.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "dedup/segment_store.h"
#include "weir/status.h"

namespace weir {

// A text: a line with the format's version, a line per field, a line with the checksum of all
// before it. The version covers what can't be read from the fields: the layout of keys and values,
// and the seed of hash_of.
std::string encode_manifest(const StoreIdentity& identity);

// restore when the text isn't one that encode_manifest of any version wrote; stop(config) when it
// is of another version. `place` names the store in the message.
Result<StoreIdentity> decode_manifest(std::string_view text, std::string_view place);

// Writes `file` as a whole or not at all, also when the power fails.
Status write_manifest(const std::filesystem::path& file, const StoreIdentity& identity);

// As decode_manifest; restore when there is no file, stop(disk) when it can't be read.
Result<StoreIdentity> read_manifest(const std::filesystem::path& file);

// Makes the names in `directory` survive a power loss.
Status sync_directory(const std::filesystem::path& directory);

}  // namespace weir
