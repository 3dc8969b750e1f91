"""Retrieve a generation of codes: how many codes exist already."""

from models.codes.generation import find_generation, find_generation_by_id
from tasks.codes.answers import generation_answer
from tasks.codes.messages import GenerationReference
from tasks.intake.task import contract_task
from tasks.wire.answers import Answer
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable, write_key
from worker.database import transaction


@contract_task("generations.retrieve", message=GenerationReference, first_answer=AnswerTable.READS)
def retrieve(request: GenerationReference) -> Answer:
    """Return a generation of codes as it is now."""
    with transaction() as session:
        if request.generation is not None:
            stored = find_generation_by_id(session, project=request.project, id=request.generation)
        else:
            key = write_key(request, delivery=None)
            stored = None if key is None else find_generation(session, project=request.project, key=key)
    return generation_answer(found(stored, "generation"))
