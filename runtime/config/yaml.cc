#include "config/yaml.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/node/node.h>  // parser.h only declares it, which clang-tidy takes for a slip
#include <yaml-cpp/parser.h>

#include "text/words.h"

namespace weir::config {

namespace {

// Thrown by Builder through the parser, which can't be stopped in another way.
struct TooMuch {
  Problem problem;
};

// Turns byte positions into lines and columns of characters.
class Places {
 public:
  Places(std::string_view text, std::string source) : source_(std::move(source)) {
    starts_.push_back(0);
    continuations_.reserve(text.size() + 1);
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      continuations_.push_back(count);
      count += (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U ? 1 : 0;
      if (text[i] == '\n') {
        starts_.push_back(i + 1);
      }
    }
    continuations_.push_back(count);
  }

  // `line` and `byte` count from 0.
  Place at(int line, int byte) const {
    if (line < 0 || static_cast<std::size_t>(line) >= starts_.size()) {
      return {source_, static_cast<int>(starts_.size()), 1};
    }
    const std::size_t start = starts_[static_cast<std::size_t>(line)];
    const std::size_t position =
        std::min(start + static_cast<std::size_t>(byte), continuations_.size() - 1);
    const std::size_t extra = continuations_[position] - continuations_[start];
    return {source_, line + 1, static_cast<int>(position - start - extra) + 1};
  }

  Place at(const YAML::Mark& mark) const { return at(mark.line, mark.column); }

  Place at(std::size_t position) const {
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), position);
    const auto line = after - starts_.begin() - 1;
    return at(static_cast<int>(line),
              static_cast<int>(position - starts_[static_cast<std::size_t>(line)]));
  }

  std::size_t byte_of(const YAML::Mark& mark) const {
    return static_cast<std::size_t>(mark.line) < starts_.size()
               ? starts_[static_cast<std::size_t>(mark.line)] +
                     static_cast<std::size_t>(mark.column)
               : continuations_.size();
  }

 private:
  std::string source_;
  std::vector<std::size_t> starts_;
  std::vector<std::uint32_t> continuations_;  // UTF-8 continuation bytes before each byte
};

class Builder : public YAML::EventHandler {
 public:
  Builder(const Places& places, std::vector<Problem>& problems)
      : places_(places), problems_(problems) {}

  std::optional<Node> take_root() { return std::move(root_); }

  const std::optional<YAML::Mark>& last_scalar() const { return last_scalar_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    ++documents_;
    if (documents_ > 1) {
      throw TooMuch{{places_.at(mark), "a second document begins here: one file, one document"}};
    }
  }

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add(node(Node::Kind::nothing, mark));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problems_.push_back({places_.at(mark), "an alias (*name) is refused: write the value out"});
    add(node(Node::Kind::refused, mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    last_scalar_ = mark;
    Node made = node(Node::Kind::scalar, mark);
    made.text = value;
    add(std::move(made));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::list, mark, tag, anchor);
  }

  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::map, mark, tag, anchor);
  }

  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Node node;
    std::optional<Entry> pending;  // a key that waits for its value
    bool skip_value = false;       // of a key that was refused
    std::unordered_map<std::string, Place> keys;
  };

  Node node(Node::Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > kYamlNodesMax) {
      throw TooMuch{{places_.at(mark), fmt::format("more than {} values", kYamlNodesMax)}};
    }
    Node made;
    made.kind = kind;
    made.place = places_.at(mark);
    return made;
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) {
      problems_.push_back({places_.at(mark), "an anchor (&name) is refused: write the value out"});
    }
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      problems_.push_back(
          {places_.at(mark), "a tag (!name) is refused: values are text, lists and maps"});
    }
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (stack_.size() >= kYamlDepthMax) {
      throw TooMuch{{places_.at(mark), fmt::format("nested deeper than {}", kYamlDepthMax)}};
    }
    Frame frame;
    frame.node = node(kind, mark);
    stack_.push_back(std::move(frame));
  }

  void close() {
    Node done = std::move(stack_.back().node);
    stack_.pop_back();
    add(std::move(done));
  }

  void add(Node made) {
    if (stack_.empty()) {
      root_ = std::move(made);
      return;
    }
    Frame& top = stack_.back();
    if (top.node.kind == Node::Kind::list) {
      top.node.items.push_back(std::move(made));
      return;
    }
    if (top.skip_value) {
      top.skip_value = false;
      return;
    }
    if (top.pending) {
      if (made.kind == Node::Kind::nothing) {
        made.place = top.pending->place;
      }
      top.pending->value = std::move(made);
      top.node.entries.push_back(std::move(*top.pending));
      top.pending.reset();
      return;
    }
    add_key(top, std::move(made));
  }

  void add_key(Frame& top, Node key) {
    if (key.kind != Node::Kind::scalar) {
      problems_.push_back({key.place, "a key is text"});
      top.skip_value = true;
      return;
    }
    if (key.text == "<<") {
      problems_.push_back({key.place, "a merge key (<<) is refused: write the keys out"});
      top.skip_value = true;
      return;
    }
    const auto [first, is_new] = top.keys.try_emplace(key.text, key.place);
    if (!is_new) {
      problems_.push_back({key.place, fmt::format("{} is given twice; the first is in line {}",
                                                  quote(key.text), first->second.line)});
      top.skip_value = true;
      return;
    }
    top.pending = Entry{std::move(key.text), std::move(key.place), {}};
  }

  const Places& places_;
  std::vector<Problem>& problems_;
  std::vector<Frame> stack_;
  std::optional<Node> root_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
  std::optional<YAML::Mark> last_scalar_;
};

// The position of the first byte that isn't text in UTF-8; npos: all is.
std::size_t first_bad_byte(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    std::size_t length = 1;
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') {
      return i;
    }
    if (byte >= 0x80) {
      length = byte >= 0xC2 && byte < 0xE0   ? 2
               : byte >= 0xE0 && byte < 0xF0 ? 3
               : byte >= 0xF0 && byte < 0xF5 ? 4
                                             : 0;
      if (length == 0 || i + length > text.size()) {
        return i;
      }
      for (std::size_t k = 1; k < length; ++k) {
        if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) {
          return i;
        }
      }
    }
    i += length;
  }
  return std::string_view::npos;
}

std::string_view line_of(std::string_view text, int line) {
  std::size_t start = 0;
  for (int i = 0; i < line; ++i) {
    const std::size_t end = text.find('\n', start);
    if (end == std::string_view::npos) {
      return {};
    }
    start = end + 1;
  }
  return text.substr(start, text.find('\n', start) - start);
}

bool is_indented_by_tab(std::string_view text, int line) {
  const std::string_view content = line_of(text, line);
  const std::size_t end = content.find_first_not_of(" \t\r");
  const std::string_view indent = content.substr(0, end);
  return indent.find('\t') != std::string_view::npos;
}

// True when the text ends inside the quotes that begin at `start`.
bool is_left_open(std::string_view text, std::size_t start) {
  if (start >= text.size() || (text[start] != '"' && text[start] != '\'')) {
    return false;
  }
  const char mark = text[start];
  for (std::size_t i = start + 1; i < text.size(); ++i) {
    if (mark == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == mark) {
      if (mark == '"' || i + 1 >= text.size() || text[i + 1] != mark) {
        return false;
      }
      ++i;
    }
  }
  return true;
}

// `key:value`, which YAML takes for text.
bool lacks_space_after_colon(std::string_view line) {
  const std::size_t start = line.find_first_not_of(" -");
  const std::size_t colon = line.find(':');
  if (start == std::string_view::npos || colon == std::string_view::npos || colon <= start ||
      colon + 1 >= line.size() || line[colon + 1] == ' ' || line[colon + 1] == '\r') {
    return false;
  }
  return std::all_of(line.begin() + static_cast<std::ptrdiff_t>(start),
                     line.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// The parser's message in the words of someone who edits a file.
std::string explain(std::string_view text, const YAML::Exception& e) {
  const std::string& said = e.msg;
  if (is_indented_by_tab(text, e.mark.line) || said == YAML::ErrorMsg::TAB_IN_INDENTATION) {
    return "a tab in the indentation: YAML indents with spaces";
  }
  if (said == YAML::ErrorMsg::END_OF_MAP || said == YAML::ErrorMsg::END_OF_SEQ) {
    return "this line is indented differently from the ones above it, or is not `key: value`";
  }
  if (said == YAML::ErrorMsg::END_OF_MAP_FLOW) {
    return "this { … } doesn't end, or lacks a comma";
  }
  if (said == YAML::ErrorMsg::END_OF_SEQ_FLOW) {
    return "this [ … ] doesn't end, or lacks a comma";
  }
  if (said == YAML::ErrorMsg::MAP_VALUE) {
    for (const int line : {e.mark.line - 1, e.mark.line}) {
      if (lacks_space_after_colon(line_of(text, line))) {
        return fmt::format("a space is missing after the colon in line {}", line + 1);
      }
    }
    return "a second colon in this line: quote the value, or indent what belongs below; or the "
           "line above lacks its colon";
  }
  if (said == YAML::ErrorMsg::EOF_IN_SCALAR) {
    return "a quote is opened and not closed";
  }
  if (said == YAML::ErrorMsg::UNKNOWN_TOKEN) {
    return "a value can't begin with this character: quote it";
  }
  if (said == YAML::ErrorMsg::UNKNOWN_ANCHOR) {
    return "an alias (*name) is refused: write the value out";
  }
  return "not YAML: " + said;
}

}  // namespace

std::string to_string(const Place& place) {
  return place.line == 0 ? place.source
                         : fmt::format("{}:{}:{}", place.source, place.line, place.column);
}

std::string to_string(const Problem& problem) {
  return to_string(problem.place) + ": " + problem.text;
}

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) {
      return &entry.value;
    }
  }
  return nullptr;
}

Node* Node::find(std::string_view key) {
  return const_cast<Node*>(std::as_const(*this).find(key));
}

Document read_yaml(std::string_view text, const std::string& source) {
  Document document;
  if (text.size() > kYamlBytesMax) {
    document.problems.push_back({{source}, fmt::format("larger than {} bytes", kYamlBytesMax)});
    return document;
  }
  if (text.substr(0, 3) == "\xEF\xBB\xBF") {
    text.remove_prefix(3);
  }
  const Places places(text, source);
  if (const std::size_t bad = first_bad_byte(text); bad != std::string_view::npos) {
    document.problems.push_back(
        {places.at(bad), fmt::format("byte 0x{:02x} is not text: the file must be UTF-8 without "
                                     "control characters",
                                     static_cast<unsigned char>(text[bad]))});
    return document;
  }
  Builder builder(places, document.problems);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const TooMuch& e) {
    document.problems.push_back(e.problem);
    return document;
  } catch (const YAML::Exception& e) {
    document.problems.push_back({places.at(e.mark), explain(text, e)});
    return document;
  }
  // The parser takes the end of the text for the end of a quotation.
  if (const auto& last = builder.last_scalar(); last && is_left_open(text, places.byte_of(*last))) {
    document.problems.push_back({places.at(*last), "a quote is opened and not closed"});
    return document;
  }
  document.root = builder.take_root();
  if (!document.root || document.root->kind == Node::Kind::nothing) {
    document.root.reset();
    if (document.problems.empty()) {
      document.problems.push_back({{source, 1, 1}, "empty"});
    }
  }
  return document;
}

Document read_yaml_file(const std::string& path) {
  const auto unreadable = [&path] {
    return Document{{}, {{{path}, fmt::format("can't be read: {}", std::strerror(errno))}}};
  };
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return unreadable();
  }
  std::string text(kYamlBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) {
    return unreadable();
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return read_yaml(text, path);
}

}  // namespace weir::config
