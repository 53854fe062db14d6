from .exam_images import ExamRenderer as ExamRenderer
from .exam_images import RenderedExam as RenderedExam
from .exam_images import RenderedView as RenderedView
from .exam_images import render_exam as render_exam
from .options import Effects as Effects
from .options import LesionOptions as LesionOptions
from .options import StudyOptions as StudyOptions
from .study import Study as Study
