#include "tool/key_text.h"

#include "codec/json_tokens.h"

namespace weir {

Result<KeyText> KeyText::of(std::vector<std::string> fields, std::size_t line_bytes_max) {
  InputFormat format;
  format.options.key = std::move(fields);
  format.options.value_bytes_max = line_bytes_max;
  WEIR_TRY_ASSIGN(std::unique_ptr<LaneCodec> codec, LaneCodec::make(std::span(&format, 1), {}));
  return KeyText(std::move(codec));
}

std::optional<std::string> KeyText::read(std::string_view line) {
  RawRecord record;
  record.value = line;
  Decoded decoded;
  codec_->decode(std::span(&record, 1), std::span(&decoded, 1));
  if (!decoded.status.is_ok() || decoded.declared_key.empty()) {
    return std::nullopt;
  }
  return DedupKey::from_bytes(decoded.declared_key).text();
}

std::vector<std::string> KeyText::fields_of(std::string_view line) {
  JsonTokens tokens;
  if (tokens.scan(line) != JsonTokens::Fault::none || tokens.peek() != '{') {
    return {};
  }
  std::vector<std::string> fields;
  std::string_view name;
  std::string scratch;
  for (tokens.advance(); tokens.text(name, scratch);) {
    fields.emplace_back(name);
    tokens.advance();
    if (tokens.peek() != ':') {
      return {};
    }
    tokens.advance();
    if (tokens.skip(1) != JsonTokens::Fault::none) {
      return {};
    }
    if (tokens.peek() == ',') {
      tokens.advance();
    }
  }
  return tokens.peek() == '}' ? fields : std::vector<std::string>();
}

}  // namespace weir
