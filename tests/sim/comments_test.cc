// The real comments through ingest and spam, without a broker.
#include <fstream>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "comments/v1/comment.pb.h"

#include "testing/pipeline_driver.h"

namespace stages {
namespace ingest {
weir::StageSpec spec();
}

namespace spam {
weir::StageSpec spec();
}
}  // namespace stages

namespace {

using comments::v1::Comment;
using comments::v1::SpamVerdict;

TEST(Comments, EachIdIsClassifiedOnceAndATextPostedAgainStays) {
  weir::PipelineDriver driver(
      {{stages::ingest::spec(), weir::ConfigFile{"config/ingest-comments.yaml"}},
       {stages::spam::spec(), weir::ConfigFile{"config/spam.yaml"}}});
  std::ifstream file("ops/demo-data/comments.jsonl");
  for (std::string line; std::getline(file, line);) {
    driver.pipe("raw.comments", line);
  }
  const std::vector<Comment> classified = driver.read_all<Comment>("comments.classified");
  EXPECT_EQ(driver.counts("ingest-comments").turns.records_in, 1'148U);
  EXPECT_EQ(driver.counts("ingest-comments").turns.duplicates, 2U);
  EXPECT_EQ(driver.dead_letters().size(), 0U);

  std::set<std::string> ids;
  std::set<std::pair<std::string, std::string>> posts;
  std::size_t agreeing = 0;
  for (const Comment& comment : classified) {
    ids.insert(comment.comment_id());
    posts.insert({comment.author(), comment.content()});
    const bool is_spam = comment.spam().class_() == SpamVerdict::CLASS_SPAM;
    agreeing += is_spam == (comment.label() == 1) ? 1 : 0;
  }
  EXPECT_EQ(classified.size(), 1'146U);
  EXPECT_EQ(ids.size(), 1'146U);
  EXPECT_EQ(posts.size(), 1'146U - 15U) << "same text, other id: another comment";
  EXPECT_GT(agreeing, classified.size() * 95 / 100);
}

}  // namespace
