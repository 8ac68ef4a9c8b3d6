#include "codec/schema.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include "comments/v1/comment.pb.h"

#include "codec/decoder.h"
#include "codec/to_json.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

class SchemaTest : public testing::Test {
 protected:
  SchemaTest() {
    std::string name = (fs::temp_directory_path() / "weir-schema-XXXXXX").string();
    root_ = mkdtemp(name.data());
  }

  ~SchemaTest() override { fs::remove_all(root_); }

  void write(const fs::path& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }

  SchemaSources sources() const {
    return {.import_roots = {root_}, .files = {}, .descriptor_set = {}};
  }

  fs::path root_;
};

constexpr const char* kTrack = R"(syntax = "proto3";
package music.v1;
import "google/protobuf/timestamp.proto";
import "music/v1/artist.proto";
message Track {
  string track_id = 1;
  Artist artist = 2;
  google.protobuf.Timestamp played_at = 3;
  message Part { int32 n = 1; }
}
)";
constexpr const char* kArtist = R"(syntax = "proto3";
package music.v1;
message Artist { string name = 1; }
)";

TEST_F(SchemaTest, AMessageReadAtStartDecodesAndPrints) {
  write("music/v1/track.proto", kTrack);
  write("music/v1/artist.proto", kArtist);
  const Schema schema = Schema::read(sources()).value();
  const auto* track = schema.message("music.v1.Track").value();
  PlanOptions options;
  options.key = {"track_id"};
  options.event_time = EventTime{"played_at", "at", TimeFormat::epoch_s, ""};
  Decoder decoder(DecodePlan::compile(track, options).value(), nullptr);
  WireBuffer wire;
  WireBuffer key;
  ASSERT_TRUE(decoder.decode(R"({"trackId":"t","artist":{"name":"é"},"at":5})", wire, key).is_ok());
  EXPECT_EQ(JsonPrinter(track).print(wire.view(0, wire.size())).value(),
            R"({"track_id":"t","artist":{"name":"é"},"played_at":"1970-01-01T00:00:05Z"})");
  EXPECT_TRUE(schema.message("music.v1.Track.Part").is_ok());
}

TEST_F(SchemaTest, AMessageThatIsNotThereIsMetWithTheOneThatWasMeant) {
  write("music/v1/track.proto", kTrack);
  write("music/v1/artist.proto", kArtist);
  const Schema schema = Schema::read(sources()).value();
  EXPECT_EQ(schema.message("music.v1.Trak").status().message(),
            "no message \"music.v1.Trak\" in the schema; did you mean \"music.v1.Track\"?");
  EXPECT_EQ(schema.message("artist").status().message(),
            "no message \"artist\" in the schema; did you mean \"music.v1.Artist\"?");
  EXPECT_EQ(schema.message("Elephant").status().message(),
            "no message \"Elephant\" in the schema; there is music.v1.Artist, music.v1.Track, "
            "music.v1.Track.Part");
}

TEST_F(SchemaTest, ErrorsNameFileLineAndColumn) {
  write("a.proto", "syntax = \"proto3\";\nmessage A {\n  strng x = 1;\n}\n");
  const auto schema = Schema::read(sources());
  ASSERT_FALSE(schema.is_ok());
  EXPECT_EQ(schema.status().exit_code(), ExitCode::config);
  EXPECT_EQ(schema.status().message(), "a.proto:3:3: \"strng\" is not defined.");
  write("a.proto", "syntax = \"proto3\";\nmessage A {\n  string x 1;\n}\n");
  EXPECT_EQ(Schema::read(sources()).status().message(), "a.proto:3:12: Missing field number.");
}

TEST_F(SchemaTest, AMissingImportIsNamed) {
  write("music/v1/track.proto", kTrack);
  EXPECT_NE(
      Schema::read(sources()).status().message().find("music/v1/artist.proto: File not found"),
      std::string::npos);
}

TEST_F(SchemaTest, AnImportRootThatIsNotThereIsNamed) {
  SchemaSources missing;
  missing.import_roots = {root_ / "nowhere"};
  EXPECT_EQ(Schema::read(missing).status().message(),
            "import root " + (root_ / "nowhere").string() + ": No such file or directory");
}

TEST_F(SchemaTest, ADescriptorSetServesAsWell) {
  google::protobuf::FileDescriptorSet set;
  google::protobuf::Timestamp::descriptor()->file()->CopyTo(set.add_file());
  comments::v1::Comment::descriptor()->file()->CopyTo(set.add_file());
  std::ofstream(root_ / "set.bin", std::ios::binary) << set.SerializeAsString();
  SchemaSources from_set;
  from_set.descriptor_set = root_ / "set.bin";
  const Schema schema = Schema::read(from_set).value();
  const auto* comment = schema.message("comments.v1.Comment").value();
  EXPECT_NE(comment, comments::v1::Comment::descriptor());
  EXPECT_TRUE(DecodePlan::compile(comment, {}).is_ok());
}

TEST_F(SchemaTest, AFileThatIsNoDescriptorSetIsRefused) {
  std::ofstream(root_ / "set.bin") << "hello";
  SchemaSources from_set;
  from_set.descriptor_set = root_ / "set.bin";
  EXPECT_NE(Schema::read(from_set).status().message().find("can't be read as a FileDescriptorSet"),
            std::string::npos);
}

TEST(JsonPrinter, PrintsOneLineUnderTheNamesOfTheProto) {
  comments::v1::Comment comment;
  comment.set_comment_id("x\ny");
  comment.mutable_posted_at()->set_seconds(5);
  comment.set_label(0);
  JsonPrinter printer(comments::v1::Comment::descriptor());
  EXPECT_EQ(printer.print(comment.SerializeAsString()).value(),
            R"({"comment_id":"x\ny","posted_at":"1970-01-01T00:00:05Z","label":0})");
  EXPECT_EQ(printer.print("").value(), "{}");
}

TEST(JsonPrinter, RefusesBytesThatAreNotTheMessage) {
  JsonPrinter printer(comments::v1::Comment::descriptor());
  const auto printed = printer.print(
      "\x0a\x05"
      "ab");
  ASSERT_FALSE(printed.is_ok());
  EXPECT_EQ(printed.status().message(), "the value is no comments.v1.Comment (4 bytes)");
}

}  // namespace
}  // namespace weir
