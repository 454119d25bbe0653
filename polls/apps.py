from __future__ import annotations

from django.apps import AppConfig


class PollsConfig(AppConfig):
    name = "polls"
    verbose_name = "Beside the picture"

    def ready(self) -> None:
        """Say what a video's board is, and what viewers may do with it on a WebSocket."""
        from accounts.belongings import belongings
        from moderation.undoing import undoings
        from polls import commands, questions, raids
        from polls.attached import BoardOfVideo, QuestionsOfVideo
        from polls.belongings import QuestionsOfViewer, VotesOfViewer
        from polls.purged import QuestionsOfPurge
        from polls.topics import BoardTopics, QuestionTopics
        from realtime.registry import registry
        from videos import alarms, held, moderation, purges
        from videos.attachments import attachments
        from videos.purges import RestoresComments

        registry.add_kind(BoardTopics())
        registry.add_kind(QuestionTopics())
        for op, command in commands.COMMANDS.items():
            registry.add_command(op, command)
        belongings += [VotesOfViewer(), QuestionsOfViewer()]
        purges.also.append(QuestionsOfPurge())
        held.approvals[held.HeldKind.QUESTION] = questions.QuestionApproval()
        undoings["delete_question"] = RestoresComments()
        moderation.deleters["question"] = lambda video_id, about, actor: questions.delete(video_id, about.int, actor)
        alarms.expected.append(raids.has_just_come)
        attachments += [QuestionsOfVideo(), BoardOfVideo()]
