"""The sentences the tiny tokenisers are trained on, and the texts of the cases. Written for this project."""

SENTENCES = """
The lighthouse keeper counted seven ships before the fog came in.
A ship without a compass follows the stars, or the coast, or luck.
What is the capital of the smallest island in the northern sea?
The capital is a village of ninety houses and one bakery.
Bread rises faster in warm rooms; cold rooms make better bread.
How long does it take to bake bread at high altitude?
Water boils at a lower temperature on a mountain than at sea level.
The mountain railway climbs 1,240 metres in less than an hour.
Passengers are asked not to lean out of the windows.
Old windows rattle when the night train passes the station.
The station clock has been four minutes late since 1962.
Clocks with pendulums run slower in summer because metal expands.
Why do metals expand when they are heated?
Heated atoms move more, and moving atoms need more room.
The museum keeps its meteorites in a room without light.
Meteorites found in deserts are easier to date than those found in forests.
Forests of beech and oak cover a third of the valley.
An oak may live for a thousand years if nobody needs a table.
Tables of numbers were printed before machines could compute them.
A machine that computes quickly may still compute the wrong thing.
Which treatment lowers blood pressure without side effects?
Blood pressure is measured twice, in both arms, after resting.
The doctor's notes say: no fever, no cough, sleeps badly.
Sleep is when the brain sorts what it keeps from what it forgets.
Search engines rank documents by how likely they answer the query.
A query of two words can have more than two meanings.
The meaning of a word depends on the words that stand beside it.
Ranking documents is easy; ranking them fairly is not.
Judges disagree about relevance more often than they admit.
The relevance of a passage is graded from zero to three.
Three rivers meet below the old bridge, near the paper mill.
The mill made paper for banknotes until the river changed its course.
Courses in astronomy begin with the moon and end with doubt.
She doubted the result, repeated the experiment, and doubted herself.
Experiments that fail are rarely published, which is a pity.
Publishing a failure saves somebody else a year.
Café crème brûlée naïve façade: accents are removed by some tokenisers.
Zürich, Łódź and São Paulo are spelled with marks.
東京 大学 水 火 山 川 日本 中国 北京 人
在 山上 水 比 在 海 边 容易 沸腾
🙂 🚢 🍞
""".strip().splitlines()

LONG = "The keeper of the lighthouse counted seven ships in the northern sea before fog came. "  # 15 words
LONG_TIMES = 667  # 10,005 words

# (name, text, pair, max_length, truncation). A text (part, times) stands for the part repeated so many times.
ALL, SHORT = 40, 12
CASES = [
    ("word", "bread", None, ALL, "longest_first"),
    ("sentence", "Which treatment lowers blood pressure, and why?", None, ALL, "longest_first"),
    ("limit", " ".join(SENTENCES[:6]), None, ALL, "longest_first"),
    ("shorter", " ".join(SENTENCES[:6]), None, SHORT, "longest_first"),
    ("empty", "", None, ALL, "longest_first"),
    ("emoji", "A ship 🚢 and bread 🍞🙂, unseen: 🦑 \u200d👩\u200d🚀", None, ALL, "longest_first"),
    ("chinese", "在山上水比在海边容易沸腾, unseen: 鲸鱼。", None, ALL, "longest_first"),
    ("accents", "  CAFÉ\tcre\u0300me\n\nBRÛLÉE, Łódź; naïve—façade…  ", None, ALL, "longest_first"),
    ("10,000-words", (LONG, LONG_TIMES), None, ALL, "longest_first"),
    ("pair", "Why do clocks run slower?", "Metal expands in summer.", ALL, "longest_first"),
    ("pair-longest-first", " ".join(SENTENCES[10:13]), " ".join(SENTENCES[20:25]), 25, "longest_first"),
    ("pair-only-second", "Does bread rise on a mountain?", " ".join(SENTENCES[4:10]), 30, "only_second"),
    ("pair-empty", "Does bread rise on a mountain?", "", ALL, "only_second"),
]
FEW = ("word", "sentence", "shorter", "empty", "pair")  # for a head that adds a last step to an encoder tested elsewhere
