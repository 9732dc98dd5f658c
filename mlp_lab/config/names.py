"""Names that the schemas and the torch code share. This module does not import torch.

A table of functions or classes by name, such as ``nn.activations.ACTIVATIONS``, has an entry for
each name of the tuple here. ``tests/config/test_names.py`` compares them.
"""

#: The parts of a data set.
SPLITS = ("train", "validation", "test")
#: The splits that are measured after each epoch. The test set is evaluated once, at the end.
EPOCH_SPLITS = ("train", "validation")

#: Networks. ``config.registered_activations`` appends the activations of plug-ins.
ACTIVATIONS = [
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
]
NORMALIZATIONS = ("none", "batch", "layer")
INITIALIZATIONS = ("uniform", "xavier", "he", "normal")

#: Interpolations between the vertices of a hash grid.
GRID_INTERPOLATIONS = ("linear", "cubic")

#: Data sets.
POINT_SETS = ("separable", "outliers", "xor", "spirals", "rings", "moons", "overlapping")
CURVE_FUNCTIONS = ("sine", "chirp", "bumps", "triangle", "step")
IMAGE_PROTOCOLS = ("fit", "upsample")
#: What the targets of a user's data are: classes or numbers.
TARGET_KINDS = ("classification", "regression")
SOLIDS = ("gyroid", "torus_knot")
#: Volumes that are not files.
VOLUMES = ("shepp_logan", "mni152")
SCENES = ("toys", "gyroid", "torus_knot")
#: Axes of the unit cube.
AXES = ("x", "y", "z")

#: Volume rendering: the function from a network's output to a density.
DENSITIES = ("relu", "softplus")

#: Classification: how the network's outputs become probabilities, and the loss.
CLASSIFICATION_OUTPUTS = ("softmax", "sigmoid")
CLASSIFICATION_LOSSES = ("cross_entropy", "squared_error")
#: Regression: the function from the network's outputs to values, and the loss.
REGRESSION_OUTPUTS = ("identity", "sigmoid")
REGRESSION_LOSSES = ("half_squared_error", "squared_error")
PERCEPTRON_RULES = ("lecture", "sign", "rosenblatt")

#: Numbers of outputs of a backgammon network: win; win, gammon win, gammon loss.
BACKGAMMON_OUTPUTS = (1, 3)
#: Opponents that are not networks of runs.
BACKGAMMON_OPPONENTS = ("random", "pubeval", "gnubg")

#: The worked examples of back-propagation and the activations that their hidden units can have.
BACKPROP_EXAMPLES = ("lecture_2_2_1", "lecture_2_2_1_relu", "lecture_2_2_2_1")
BACKPROP_ACTIVATIONS = ("identity", "relu", "sigmoid", "tanh")

#: Who plays against a person, and who starts; see ``games.backgammon.game``.
PLAY_OPPONENTS = ("network", "random")
PLAY_SIDES = ("first", "second", "roll")

#: Whether lower or higher values of a metric are better.
MODES = ("min", "max")
#: The checkpoints of a run.
CHECKPOINTS = ("best", "last")
#: What an ensemble averages; see ``runs.ensemble.predict_classes``.
ENSEMBLE_AVERAGES = ("probabilities", "logits", "votes")
#: Which runs of a sweep are evaluated on the test set.
SWEEP_TESTS = ("chosen", "problems", "each", "last", "none")
#: When the metrics of the training data are computed, and how tables describe them.
TRAIN_METRICS = {
    "during": "means over the minibatches during the epoch",
    "after": "after the epoch",
}
#: How the gradients of a training step are computed.
GRADIENTS = ("autograd", "closed_form", "auto")
#: What limits gradients: the norm of all of them, or the value of each entry.
CLIPPING_ALGORITHMS = ("norm", "value")
#: Formats of the files of figures.
FIGURE_FORMATS = ("png", "pdf", "svg")
