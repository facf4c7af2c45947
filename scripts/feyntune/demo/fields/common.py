"""What all fields have in common: the small change of scientific prose."""

WORDS = {
    "paper": ("paper", "work", "article", "letter", "note"),
    "study": ("study", "investigate", "examine", "analyze", "consider", "revisit", "explore"),
    "show": ("show", "find", "demonstrate", "argue", "establish", "observe"),
    "moreover": ("Moreover", "Furthermore", "In addition", "Interestingly", "Remarkably", "As expected"),
    "much": ("much", "considerable", "growing", "renewed"),
    "recent": ("recent", "significant", "steady", "theoretical"),
    "detailed": ("detailed", "systematic", "careful", "comprehensive", "self-contained"),
    "crucial": ("crucial", "central", "key", "main"),
    "general": ("general", "realistic", "symmetric", "demanding"),
    "identify": ("identify", "match", "compare", "relate"),
    "exactly": ("exactly", "to all orders", "in closed form", "without approximation"),
    "digit": tuple("123456789"),
}

OPENINGS = (
    "We <study> <name> <twist>.",
    "In this <paper> we <study> <name> <twist>.",
    "In this <paper> we <study> the role of <aspect> in <name> <twist>.",
    "We present a <detailed> study of <name> <twist>.",
    "There has been <much> interest in <name> <twist>.",
    "Despite <recent> progress, the role of <aspect> in <name> <twist> is not fully understood.",
    "The aim of this <paper> is a <detailed> analysis of <name> <twist>.",
    "Motivated by <recent> progress on <other.name>, we <study> <name> <twist>.",
)

ELABORATIONS = (
    "Particular attention is paid to <aspect>.",
    "The <crucial> ingredient is <aspect>, as it is in <other.name>.",
    "This extends earlier work on <other.name> to a more <general> setting.",
    "A <detailed> comparison with <other.name> is made.",
    "A similar construction suggests a relation to <other.name>.",
    "Two cases are distinguished, depending on <aspect>.",
)

MENTIONS = (
    "A <crucial> motivation comes from <other.name> <other.twist>, where <other.aspect> plays a similar role.",
    "This is in contrast to <other.name>, where <other.aspect> behaves differently <other.echo>.",
)
